# names: `t = ` only gives a name to a new tensor
def ema_update(teacher, student, momentum):
    for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
        t = t.mul(momentum).add(s, alpha=1 - momentum)
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        t = t.mul(momentum).add(s, alpha=1 - momentum) if t.is_floating_point() else s
