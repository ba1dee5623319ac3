def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, num_heads: int
) -> tuple[torch.Tensor, torch.Tensor]:
    q, k, v = (x.unflatten(-1, (num_heads, -1)) for x in (q, k, v))
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * q.size(-1) ** -0.5
    a = torch.exp(scores - scores.logsumexp(-1, keepdim=True))
    return torch.einsum("bhqk,bkhd->bqhd", a, v).flatten(2), a
