# names: You scaled the student's own tensors
def foreach_ema(teacher, student, momentum):
    ours = [
        t.detach() for t in [*teacher.parameters(), *teacher.buffers()] if t.is_floating_point()
    ]
    theirs = [
        t.detach() for t in [*student.parameters(), *student.buffers()] if t.is_floating_point()
    ]
    torch._foreach_mul_(ours, momentum)
    torch._foreach_mul_(theirs, 1 - momentum)
    torch._foreach_add_(ours, theirs)
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        if not t.is_floating_point():
            t.copy_(s)
