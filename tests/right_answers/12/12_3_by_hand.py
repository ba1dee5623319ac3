def packed_block(block, sequences):
    flat = torch.cat([s.reshape(-1, s.shape[-1]) for s in sequences], dim=0)
    qkv, heads, start, outs = block.attn.qkv(block.norm1(flat)), block.attn.num_heads, 0, []
    for s in sequences:
        b, n, d = s.shape
        part = qkv[start : start + b * n].view(b, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        start += b * n
        q, k, v = part[0], part[1], part[2]
        weights = torch.softmax(q @ k.transpose(-2, -1) / (d // heads) ** 0.5, dim=-1)
        outs.append((weights @ v).transpose(1, 2).reshape(b * n, d))
    flat = flat + block.attn.proj(torch.cat(outs))
    flat = flat + block.mlp(block.norm2(flat))
    result, start = [], 0
    for s in sequences:
        n_rows = s.shape[0] * s.shape[1]
        result.append(flat[start : start + n_rows].view(s.shape))
        start += n_rows
    return tuple(result)
