def packed_block(block, sequences):
    sizes = [s.size(0) * s.size(1) for s in sequences]
    packed = torch.cat([s.reshape(1, -1, s.size(-1)) for s in sequences], dim=1)
    q, k, v = block.attn.project(block.norm1(packed))  # (1, heads, tokens, d)
    outs = []
    for s, *parts in zip(sequences, q.split(sizes, 2), k.split(sizes, 2), v.split(sizes, 2)):
        q1, k1, v1 = (rearrange(p, "1 h (b n) d -> b h n d", b=len(s)) for p in parts)
        outs.append(rearrange(attend(q1, k1, v1), "b h n d -> 1 (b n) (h d)"))
    packed = packed + block.attn.proj(torch.cat(outs, dim=1))
    packed = packed + block.mlp(block.norm2(packed))
    return [p.view(s.shape) for p, s in zip(packed.split(sizes, dim=1), sequences)]
