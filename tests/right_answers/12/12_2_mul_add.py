@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    ours = list(teacher.parameters()) + [b for b in teacher.buffers() if b.is_floating_point()]
    theirs = list(student.parameters()) + [b for b in student.buffers() if b.is_floating_point()]
    torch._foreach_mul_(ours, momentum)
    torch._foreach_add_(ours, theirs, alpha=1 - momentum)
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        if not t.is_floating_point():
            t.copy_(s)
