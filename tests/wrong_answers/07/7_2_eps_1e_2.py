# names: add 0.01 to the norm
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad *= (max_norm / (p.grad.norm() + 1e-2)).clamp(max=1.0)
