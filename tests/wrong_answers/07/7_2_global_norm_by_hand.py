# names: clipped by the global norm
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    total = sum(g.pow(2).sum() for g in gradients).sqrt()
    for g in gradients:
        g *= min(1.0, max_norm / total)
