# names: You skip parameters that do not ask for gradients
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    with torch.no_grad():
        for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
            if t.requires_grad:
                t.lerp_(s, 1 - momentum)
        for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
            t.copy_(t * momentum + s * (1 - momentum) if t.is_floating_point() else s)
