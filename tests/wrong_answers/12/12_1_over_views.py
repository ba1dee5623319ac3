# names: over the views
def lean_loss(x, prototypes, q, temp, slice_size):
    log_p = (x @ prototypes.T / temp).log_softmax(dim=0)
    pairs = [(i, j) for i in range(len(q)) for j in range(len(x)) if i != j]
    return sum(-(q[i] * log_p[j]).sum(-1).mean() for i, j in pairs) / len(pairs)
