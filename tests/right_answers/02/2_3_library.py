def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, num_heads: int
) -> tuple[torch.Tensor, torch.Tensor]:
    b, n, d = q.shape
    q, k, v = (x.view(b, n, num_heads, -1).transpose(1, 2) for x in (q, k, v))
    a = torch.softmax((q * q.shape[-1] ** -0.5) @ k.mT, dim=-1)
    out = F.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2), a
