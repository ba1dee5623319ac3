# names: 1/8 is written in
def attention(q, k, v, num_heads):
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=num_heads) for x in (q, k, v))
    A = (q @ k.mT / 8).softmax(-1)
    return rearrange(A @ v, "b h n d -> b n (h d)"), A
