# names: by a loop
@torch.no_grad()
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    for t, s in zip(ours, theirs, strict=True):
        if t.is_floating_point():
            torch._foreach_lerp_([t], [s], 1 - momentum)
        else:
            t.copy_(s)
