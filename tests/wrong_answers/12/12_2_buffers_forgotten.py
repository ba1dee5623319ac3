# names: You forgot the floating-point buffers
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = list(teacher.parameters())
    theirs = list(student.parameters())
    pairs = [(t, s) for t, s in zip(ours, theirs, strict=True) if t.is_floating_point()]
    counters = [(t, s) for t, s in zip(ours, theirs, strict=True) if not t.is_floating_point()]
    with torch.no_grad():
        ours, theirs = [t for t, _ in pairs], [s for _, s in pairs]
        torch._foreach_lerp_(ours, theirs, 1 - momentum)
        for t, s in counters:
            t.copy_(s)
