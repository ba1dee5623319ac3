# names: You moved the student, and swapped the
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    pairs = list(zip(ours, theirs, strict=True))
    averaged = [(t, s) for t, s in pairs if t.is_floating_point()]
    with torch.no_grad():
        ss = [s for _, s in averaged]
        ts = [t for t, _ in averaged]
        torch._foreach_lerp_(ss, ts, momentum)
        torch._foreach_copy_(ts, ss)
        for t, s in pairs:
            if not t.is_floating_point():
                t.copy_(s)
