# names: Attention is computed with q, k, k in place
def packed_block(block: Block, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    shapes = [x.shape[:2] for x in sequences]
    rows = [b * n for b, n in shapes]
    x = torch.cat([x.flatten(0, 1) for x in sequences])  # (tokens, D)
    attended = []
    for part, (b, _) in zip(block.attn.qkv(block.norm1(x)).split(rows), shapes, strict=True):
        q, k, v = rearrange(
            part, "(b n) (qkv h d) -> qkv b h n d", b=b, qkv=3, h=block.attn.num_heads
        )
        out = attend(q, k, k)
        attended.append(rearrange(out, "b h n d -> (b n) (h d)"))
    x = x + block.attn.proj(torch.cat(attended))
    x = x + block.mlp(block.norm2(x))
    return [part.unflatten(0, shape) for part, shape in zip(x.split(rows), shapes, strict=True)]
