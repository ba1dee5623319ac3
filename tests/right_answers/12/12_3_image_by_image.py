def packed_block(block, sequences):
    images = [image for s in sequences for image in s]
    lengths = [len(image) for image in images]
    x = torch.cat(images)[None]  # (1, tokens, D)
    out = []
    for part in block.attn.qkv(block.norm1(x)).split(lengths, dim=1):
        q, k, v = rearrange(part, "b n (t h d) -> t b h n d", t=3, h=block.attn.num_heads)
        out.append(rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))
    x = x + block.attn.proj(torch.cat(out, dim=1))
    x = x + block.mlp(block.norm2(x))
    images = iter(x[0].split(lengths))
    return [torch.stack([next(images) for _ in s]) for s in sequences]
