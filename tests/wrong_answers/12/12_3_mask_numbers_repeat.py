# names: Image i of one size attends to image i of another
def packed_block(block: Block, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    shapes = [x.shape[:2] for x in sequences]
    rows, heads = [b * n for b, n in shapes], block.attn.num_heads
    x = torch.cat([x.flatten(0, 1) for x in sequences])
    q, k, v = rearrange(block.attn.qkv(block.norm1(x)), "t (qkv h d) -> qkv h t d", qkv=3, h=heads)
    image = torch.cat([torch.arange(b * n, device=x.device) // n for b, n in shapes])
    mask = image[:, None] == image
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    attended = [rearrange(out, "h t d -> t (h d)")]
    x = x + block.attn.proj(torch.cat(attended))
    x = x + block.mlp(block.norm2(x))
    return [part.unflatten(0, shape) for part, shape in zip(x.split(rows), shapes, strict=True)]
