# names: gradients of one dimension alone
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None and p.grad.ndim != 1:
            p.grad *= (max_norm / (p.grad.norm() + 1e-6)).clamp(max=1.0)
