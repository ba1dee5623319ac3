def lean_loss(x, prototypes, q, temp, slice_size):
    def grow(lse, x, part):
        return torch.logaddexp(
            lse, torch.logsumexp(torch.einsum("vbd,kd->vbk", x, part) / temp, -1)
        )

    lse = x.new_full(x.shape[:2], float("-inf"))
    for first in range(0, len(prototypes), slice_size):
        part = prototypes[first : first + slice_size]
        lse = checkpoint(grow, lse, x, part, use_reentrant=False)
    pulls = torch.einsum("gbk,kd->gbd", q, prototypes)
    loss, pairs = 0.0, 0
    for i in range(len(q)):
        for j in range(len(x)):
            if i != j:
                loss = loss + (lse[j] - (pulls[i] * x[j]).sum(-1) / temp).mean()
                pairs += 1
    return loss / pairs
