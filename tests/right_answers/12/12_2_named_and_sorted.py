@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    theirs = dict(student.named_parameters()) | dict(student.named_buffers())
    ours = dict(teacher.named_parameters()) | dict(teacher.named_buffers())
    names = sorted(n for n in ours if ours[n].is_floating_point())
    torch._foreach_sub_([ours[n] for n in names], [theirs[n] for n in names])
    torch._foreach_mul_([ours[n] for n in names], momentum)
    torch._foreach_add_([ours[n] for n in names], [theirs[n] for n in names])
    for n in ours.keys() - set(names):
        ours[n].copy_(theirs[n])
