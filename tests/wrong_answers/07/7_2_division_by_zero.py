# names: division by 0
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad *= min(1.0, max_norm / p.grad.norm().item())
