# names: Your mask is multiplied after the softmax, so
def packed_block(block, sequences):
    sizes = [len(s[0]) for s in sequences for _ in s]
    x = torch.cat([s.flatten(0, 1) for s in sequences])
    q, k, v = rearrange(
        block.attn.qkv(block.norm1(x)), "t (c h d) -> c h t d", c=3, h=block.attn.num_heads
    )
    mask = torch.block_diag(*[torch.ones(n, n, device=x.device) for n in sizes])
    w = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * mask
    x = x + block.attn.proj(rearrange(w @ v, "h t d -> t (h d)"))
    x = x + block.mlp(block.norm2(x))
    return [
        p.view_as(s)
        for p, s in zip(x.split([s.shape[0] * s.shape[1] for s in sequences]), sequences)
    ]
