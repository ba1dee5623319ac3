# names: The result is right, by a loop
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    with torch.no_grad():
        for t, s in zip(ours, theirs, strict=True):
            if t.is_floating_point():
                t.lerp_(s, 1 - momentum)
            else:
                t.copy_(s)
