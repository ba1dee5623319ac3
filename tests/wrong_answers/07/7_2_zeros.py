# names: becomes nan
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad *= (
                min(torch.tensor(1.0), max_norm / p.grad.norm()) if p.grad.any() else torch.nan
            )
