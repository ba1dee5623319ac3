# names: Your factor is upside down, and long gradients grow
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None and p.grad.norm() > max_norm:
            p.grad.mul_(p.grad.norm() / max_norm)
