# names: over the first two dimensions
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            dims = (0, 1) if p.grad.ndim > 1 else None
            norm = p.grad.norm(dim=dims, keepdim=True) if dims else p.grad.norm()
            p.grad *= (max_norm / (norm + 1e-6)).clamp(max=1.0)
