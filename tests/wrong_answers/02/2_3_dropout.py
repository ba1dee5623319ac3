# names: no dropout
def attention(q, k, v, num_heads):
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=num_heads) for x in (q, k, v))
    A = F.dropout((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1), 0.1)
    return rearrange(A @ v, "b h n d -> b n (h d)"), A
