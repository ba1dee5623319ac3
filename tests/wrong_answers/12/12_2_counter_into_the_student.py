# names: You copied the teacher's counter into the
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    pairs = list(zip(ours, theirs, strict=True))
    averaged = [(t, s) for t, s in pairs if t.is_floating_point()]
    with torch.no_grad():
        torch._foreach_lerp_([t for t, _ in averaged], [s for _, s in averaged], 1 - momentum)
        for t, s in pairs:
            if not t.is_floating_point():
                s.copy_(t)
