# names: advances by N
def packed_block(block, sequences):
    x = torch.cat([s.flatten(0, 1) for s in sequences])
    qkv, attended, start = block.attn.qkv(block.norm1(x)), [], 0
    for s in sequences:
        b, n, _ = s.shape
        part = qkv[start : start + b * n]
        q, k, v = rearrange(
            part, "(b n) (qkv h d) -> qkv b h n d", b=b, qkv=3, h=block.attn.num_heads
        )
        attended.append(rearrange(attend(q, k, v), "b h n d -> (b n) (h d)"))
        start += n
    x = x + block.attn.proj(torch.cat(attended))
    x = x + block.mlp(block.norm2(x))
    rows = [s.shape[0] * s.shape[1] for s in sequences]
    return [p.view_as(s) for p, s in zip(x.split(rows), sequences, strict=True)]
