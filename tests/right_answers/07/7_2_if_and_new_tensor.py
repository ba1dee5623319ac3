def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            norm = float(p.grad.pow(2).sum()) ** 0.5
            if norm > max_norm:
                p.grad = p.grad * max_norm / norm
