# names: You copied the student's floating-point
def foreach_ema(teacher, student, momentum):
    for t, s in zip(teacher.parameters(), student.parameters()):
        t.data.mul_(momentum).add_(s.data, alpha=1 - momentum)
    for t, s in zip(teacher.buffers(), student.buffers()):
        t.copy_(s)
