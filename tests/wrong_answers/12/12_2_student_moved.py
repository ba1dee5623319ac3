# names: You moved the student
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    pairs = [(t, s) for t, s in zip(ours, theirs, strict=True) if t.is_floating_point()]
    counters = [(t, s) for t, s in zip(ours, theirs, strict=True) if not t.is_floating_point()]
    with torch.no_grad():
        ours, theirs = [t for t, _ in pairs], [s for _, s in pairs]
        torch._foreach_lerp_(theirs, ours, momentum)
        for t, s in counters:
            t.copy_(s)
