# names: averaged and stored, which cuts them
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    for t, s in zip(
        [*teacher.parameters(), *teacher.buffers()], [*student.parameters(), *student.buffers()]
    ):
        t.copy_(momentum * t + (1 - momentum) * s)
