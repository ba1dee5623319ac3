def packed_block(block, sequences):
    heads = block.attn.num_heads
    shapes = [x.shape for x in sequences]
    x = torch.cat([x.reshape(-1, x.shape[-1]) for x in sequences])
    qkv = block.attn.qkv(block.norm1(x)).split([b * n for b, n, _ in shapes])
    out = []
    for part, (b, n, d) in zip(qkv, shapes, strict=True):
        q, k, v = part.reshape(b, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.mT * (d // heads) ** -0.5).softmax(-1)
        out.append((weights @ v).transpose(1, 2).reshape(b * n, d))
    x = x + block.attn.proj(torch.cat(out))
    x = x + block.mlp(block.norm2(x))
    return [p.reshape(s) for p, s in zip(x.split([b * n for b, n, _ in shapes]), shapes)]
