# names: new memory
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
        t.data = momentum * t.data + (1 - momentum) * s.data
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        t.data = (
            momentum * t.data + (1 - momentum) * s.data if t.dtype.is_floating_point else s.clone()
        )
