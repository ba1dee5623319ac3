# names: The gradients are as they were
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            g = p.grad
            g = g * (max_norm / (g.norm() + 1e-6)).clamp(max=1.0)
