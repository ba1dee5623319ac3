# names: (matrix_norm)
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            g = p.grad
            norm = torch.linalg.matrix_norm(g, keepdim=True) if g.ndim > 1 else g.norm()
            g *= (max_norm / (norm + 1e-6)).clamp(max=1.0)
