# names: The root is missing
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad *= (max_norm / p.grad.pow(2).sum()).clamp(max=1.0)
