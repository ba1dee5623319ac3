# names: by the longest one's norm
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    longest = max(g.norm() for g in gradients)
    for g in gradients:
        g *= (max_norm / (longest + 1e-6)).clamp(max=1.0)
