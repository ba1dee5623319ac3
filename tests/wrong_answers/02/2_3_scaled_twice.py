# names: scores that are scaled twice
def attention(q, k, v, num_heads):
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=num_heads) for x in (q, k, v))
    q = q / q.shape[-1] ** 0.5
    A = (q @ k.mT).softmax(-1)
    return rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"), A
