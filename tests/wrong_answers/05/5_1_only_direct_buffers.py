# names: the running statistics
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
        t.lerp_(s, 1 - momentum)
    pairs = zip(teacher._buffers.values(), student._buffers.values(), strict=True)
    for t, s in pairs:
        if t.is_floating_point():
            t.lerp_(s, 1 - momentum)
        else:
            t.copy_(s)
