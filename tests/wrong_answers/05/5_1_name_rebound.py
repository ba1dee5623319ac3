# names: buffers moved, and its parameters did not
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    with torch.no_grad():
        for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
            t = momentum * t + (1 - momentum) * s
        for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
            t.copy_(t * momentum + s * (1 - momentum) if t.is_floating_point() else s)
