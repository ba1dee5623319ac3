# names: p.grad is what is written to
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p *= (max_norm / (p.grad.norm() + 1e-6)).clamp(max=1.0)
