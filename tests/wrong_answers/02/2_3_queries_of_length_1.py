# names: The queries are brought to length 1
def attention(q, k, v, num_heads):
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=num_heads) for x in (q, k, v))
    A = (F.normalize(q, dim=-1) @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return rearrange(A @ v, "b h n d -> b n (h d)"), A
