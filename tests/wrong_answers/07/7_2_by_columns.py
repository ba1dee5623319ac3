# names: column by column
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            norm = p.grad.norm(dim=0, keepdim=True) if p.grad.ndim else p.grad.norm()
            p.grad *= (max_norm / (norm + 1e-6)).clamp(max=1.0)
