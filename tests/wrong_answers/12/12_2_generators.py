# names: take lists of tensors
@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    torch._foreach_lerp_(teacher.parameters(), student.parameters(), 1 - momentum)
