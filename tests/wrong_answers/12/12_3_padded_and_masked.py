# names: the rest is padding, and it costs as much
def packed_block(block: Block, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    longest = max(x.shape[1] for x in sequences)
    x = torch.cat([F.pad(x, (0, 0, 0, longest - x.shape[1])) for x in sequences])
    real = [
        torch.arange(longest, device=x.device).expand(len(s), -1) < s.shape[1] for s in sequences
    ]
    mask = torch.cat(real)[:, None, None]
    q, k, v = block.attn.project(block.norm1(x))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    x = x + block.attn.proj(rearrange(out, "b h n d -> b n (h d)"))
    x = x + block.mlp(block.norm2(x))
    parts = x.split([len(s) for s in sequences])
    return [p[:, : s.shape[1]] for p, s in zip(parts, sequences, strict=True)]
