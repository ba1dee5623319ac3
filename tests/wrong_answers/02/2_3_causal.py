# names: A causal mask
def attention(q, k, v, num_heads):
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=num_heads) for x in (q, k, v))
    s = q @ k.mT / q.shape[-1] ** 0.5
    n = s.shape[-1]
    s = s.masked_fill(~torch.tril(torch.ones(n, n, dtype=torch.bool)), float("-inf"))
    A = s.softmax(-1)
    return rearrange(A @ v, "b h n d -> b n (h d)"), A
