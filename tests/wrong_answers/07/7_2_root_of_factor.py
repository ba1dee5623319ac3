# names: root of the factor
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad *= (max_norm / (p.grad.norm() + 1e-6)).clamp(max=1.0).sqrt()
