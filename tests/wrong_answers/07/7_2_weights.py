# names: clipped the weights
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    with torch.no_grad():
        for p in parameters:
            p *= min(1.0, max_norm / p.norm())
