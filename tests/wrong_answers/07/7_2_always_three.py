# names: You clip to 3 whatever max_norm is
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad *= (3.0 / (p.grad.norm() + 1e-6)).clamp(max=1.0)
