# names: d x d
def attention(q, k, v, num_heads):
    B, N, D = q.shape
    q, k, v = (x.view(B, N, num_heads, -1).permute(0, 2, 3, 1) for x in (q, k, v))
    A = (q @ k.mT / q.shape[-2] ** 0.5).softmax(-1)
    return (A @ v).permute(0, 3, 1, 2).reshape(B, N, D), A
