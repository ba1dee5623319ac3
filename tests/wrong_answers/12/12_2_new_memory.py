# names: new memory
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    pairs = list(zip(ours, theirs, strict=True))
    averaged = [(t, s) for t, s in pairs if t.is_floating_point()]
    with torch.no_grad():
        a, b = [t for t, _ in averaged], [s for _, s in averaged]
        for t, n in zip(a, torch._foreach_lerp(a, b, 1 - momentum), strict=True):
            t.data = n
        for t, s in pairs:
            if not t.is_floating_point():
                t.copy_(s)
