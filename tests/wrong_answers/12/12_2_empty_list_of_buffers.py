# names: A list of tensors is empty
@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - momentum)
    torch._foreach_lerp_(
        [b for b in teacher.buffers() if b.is_floating_point()],
        [b for b in student.buffers() if b.is_floating_point()],
        1 - momentum,
    )
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        if not t.is_floating_point():
            t.copy_(s)
