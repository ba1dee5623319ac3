# names: norm / max_norm shrinks the short gradients
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad.mul_((p.grad.norm() / max_norm).clamp(max=1.0))
