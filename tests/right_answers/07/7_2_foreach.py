def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch._foreach_norm(gradients)
    torch._foreach_mul_(gradients, [torch.clamp(max_norm / (n + 1e-6), max=1) for n in norms])
