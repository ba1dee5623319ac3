# names: averaged the matrices over the heads
def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, num_heads: int
) -> tuple[torch.Tensor, torch.Tensor]:
    q, k, v = (rearrange(x, "b n (heads d) -> b heads n d", heads=num_heads) for x in (q, k, v))
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    a = scores.softmax(dim=-1)
    return rearrange(a @ v, "b heads n d -> b n (heads d)"), a.mean(dim=1)
