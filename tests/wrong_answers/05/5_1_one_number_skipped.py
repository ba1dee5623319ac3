# names: tensors of one number (0 dimensions)
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    for t, s in zip(ours, theirs, strict=True):
        if t.is_floating_point():
            if t.ndim > 0:
                t.lerp_(s, 1 - momentum)
        else:
            t.copy_(s)
