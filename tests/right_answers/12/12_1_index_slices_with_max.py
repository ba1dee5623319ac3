def lean_loss(x, prototypes, q, temp, slice_size):
    def sums(x, part, top):
        return (x @ part.T / temp - top[..., None]).exp().sum(-1)

    with torch.no_grad():
        top = torch.full(x.shape[:2], float("-inf"), device=x.device, dtype=x.dtype)
        for i in range(0, prototypes.shape[0], slice_size):
            top = torch.maximum(top, (x @ prototypes[i : i + slice_size].T / temp).amax(-1))
    z = 0
    for i in range(0, prototypes.shape[0], slice_size):
        part = prototypes[i : i + slice_size]
        z = z + checkpoint(sums, x, part, top, use_reentrant=False)
    lse = top + z.log()
    g, v = q.shape[0], x.shape[0]
    pulls = torch.einsum("gbk,kd->gbd", q, prototypes) / temp
    loss = 0
    for j in range(v):
        n = g - 1 if j < g else g
        pull = sum(pulls[i] for i in range(g) if i != j)
        loss = loss + (n * lse[j] - (pull * x[j]).sum(-1)).mean()
    return loss / (g * (v - 1))
