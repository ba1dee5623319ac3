# names: You stopped at the first gradient that is short enough
def clip_gradients(parameters, max_norm):
    for p in parameters:
        if p.grad is not None:
            n = p.grad.norm()
            if n <= max_norm:
                return
            p.grad.mul_(max_norm / n)
