# names: share (1 - momentum) twice
@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    ours = [t for t in [*teacher.parameters(), *teacher.buffers()] if t.is_floating_point()]
    theirs = [t for t in [*student.parameters(), *student.buffers()] if t.is_floating_point()]
    torch._foreach_mul_(ours, momentum)
    torch._foreach_add_(ours, torch._foreach_mul(theirs, 1 - momentum), alpha=1 - momentum)
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        if not t.is_floating_point():
            t.copy_(s)
