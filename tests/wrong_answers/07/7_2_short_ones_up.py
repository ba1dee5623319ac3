# names: the condition is turned round
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            norm = p.grad.norm()
            if 0 < norm < max_norm:
                p.grad *= max_norm / norm
