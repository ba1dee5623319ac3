# names: An integer tensor met
@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    torch._foreach_lerp_(ours, theirs, 1 - momentum)
