# names: You forgot the parameters that are frozen
@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    pairs = [
        (t, s)
        for t, s in zip(teacher.parameters(), student.parameters(), strict=True)
        if s.requires_grad
    ]
    pairs += [
        (t, s)
        for t, s in zip(teacher.buffers(), student.buffers(), strict=True)
        if t.is_floating_point()
    ]
    torch._foreach_lerp_([t for t, _ in pairs], [s for _, s in pairs], 1 - momentum)
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        if not t.is_floating_point():
            t.copy_(s)
