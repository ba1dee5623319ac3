def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
        t.data.lerp_(s.data, 1 - momentum)
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        if t.dtype.is_floating_point:
            t[...] = momentum * t + (1 - momentum) * s
        else:
            t[...] = s
