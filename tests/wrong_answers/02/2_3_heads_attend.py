# names: Your heads attend to one another
def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, num_heads: int
) -> tuple[torch.Tensor, torch.Tensor]:
    b, n, d = q.shape
    q, k, v = (x.reshape(b, n, num_heads, d // num_heads) for x in (q, k, v))
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    a = scores.softmax(dim=-1)
    return (a @ v).reshape(b, n, d), a
