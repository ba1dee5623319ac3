# names: cut each number off
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    for p in parameters:
        if p.grad is not None:
            p.grad.clamp_(-max_norm, max_norm)
