@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    news = dict([*student.named_parameters(), *student.named_buffers()])
    for name, old in [*teacher.named_parameters(), *teacher.named_buffers()]:
        new = news[name]
        old.copy_(momentum * old + (1 - momentum) * new if old.is_floating_point() else new)
