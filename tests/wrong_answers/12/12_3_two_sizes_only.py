# names: any number of sizes
def packed_block(block: Block, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    large, small = sequences[0], sequences[-1]
    rows = [large.shape[0] * large.shape[1], small.shape[0] * small.shape[1]]
    x = torch.cat([large.flatten(0, 1), small.flatten(0, 1)])
    out = []
    for part, s in zip(block.attn.qkv(block.norm1(x)).split(rows), (large, small)):
        q, k, v = rearrange(
            part, "(b n) (t h d) -> t b h n d", b=len(s), t=3, h=block.attn.num_heads
        )
        y = F.scaled_dot_product_attention(q, k, v)
        out.append(rearrange(y, "b h n d -> (b n) (h d)"))
    x = x + block.attn.proj(torch.cat(out))
    x = x + block.mlp(block.norm2(x))
    return [part.view_as(s) for part, s in zip(x.split(rows), (large, small))]
