# names: a walk through modules()
def ema_update(teacher, student, momentum):
    with torch.no_grad():
        for a, b in zip(teacher.modules(), student.modules(), strict=True):
            for t, s in zip(a.parameters(recurse=False), b.parameters(recurse=False), strict=True):
                t.mul_(momentum).add_(s, alpha=1 - momentum)
            for t, s in zip(a.buffers(recurse=False), b.buffers(recurse=False), strict=True):
                if t.is_floating_point():
                    t.mul_(momentum).add_(s, alpha=1 - momentum)
                else:
                    t.copy_(s)
