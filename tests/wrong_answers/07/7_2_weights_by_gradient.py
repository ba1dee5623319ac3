# names: clipped the weights
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            norm = p.grad.norm()
            if norm > max_norm:
                p.data *= max_norm / norm
