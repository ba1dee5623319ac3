# names: clipped by the global norm
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    torch.nn.utils.clip_grad_norm_(parameters, max_norm)
