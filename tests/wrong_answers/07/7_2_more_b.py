# names: took max_norm away
def clip_gradients(parameters, max_norm):
    for p in parameters:
        if p.grad is None:
            continue
        n = p.grad.norm()
        if n > max_norm:
            p.grad -= max_norm
