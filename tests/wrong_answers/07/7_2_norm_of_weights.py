# names: norm of the weights
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad *= (max_norm / (p.detach().norm() + 1e-6)).clamp(max=1.0)
