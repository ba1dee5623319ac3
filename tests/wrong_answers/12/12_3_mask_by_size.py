# names: not the images within one size
def packed_block(block: Block, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    shapes = [x.shape[:2] for x in sequences]
    x = torch.cat([x.flatten(0, 1) for x in sequences])
    qkv = block.attn.qkv(block.norm1(x))
    q, k, v = rearrange(qkv, "n (qkv h d) -> qkv h n d", qkv=3, h=block.attn.num_heads)
    image = torch.cat(
        [torch.zeros(b * n, dtype=torch.long) + 1000 * i for i, (b, n) in enumerate(shapes)]
    ).to(x.device)
    same = image[:, None] == image
    out = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=same)[0]
    x = x + block.attn.proj(rearrange(out, "h n d -> n (h d)"))
    x = x + block.mlp(block.norm2(x))
    return [p.unflatten(0, s) for p, s in zip(x.split([b * n for b, n in shapes]), shapes)]
