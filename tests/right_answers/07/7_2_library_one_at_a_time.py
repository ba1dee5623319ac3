def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        torch.nn.utils.clip_grad_norm_([p], max_norm)
