def attention(q, k, v, num_heads):
    B, N, D = q.shape
    q, k, v = (x.unflatten(-1, (num_heads, -1)) for x in (q, k, v))
    s = q.shape[-1] ** -0.25
    m = torch.einsum("bnhd,bmhd->bhnm", q * s, k * s).softmax(dim=3)
    return torch.einsum("bhnm,bmhd->bnhd", m, v).flatten(2), m
