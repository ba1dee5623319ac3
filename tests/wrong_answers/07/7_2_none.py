# names: fails where a parameter has no gradient
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        p.grad *= (max_norm / (p.grad.norm() + 1e-6)).clamp(max=1.0)
