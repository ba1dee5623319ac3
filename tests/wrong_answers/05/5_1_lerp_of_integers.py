# names: copy it in place of averaging it
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
        t.lerp_(s, 1 - momentum)
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        t.lerp_(s, 1 - momentum)
