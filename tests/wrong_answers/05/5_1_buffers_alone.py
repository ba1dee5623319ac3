# names: buffers moved, and its parameters did not
def ema_update(teacher, student, momentum):
    with torch.no_grad():
        for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
            if t.is_floating_point():
                t.mul_(momentum).add_(s, alpha=1 - momentum)
            else:
                t.copy_(s)
