# names: set long gradients to zero
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            if p.grad.norm() > max_norm:
                p.grad.zero_()
