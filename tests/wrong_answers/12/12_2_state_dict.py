# names: not saved
def foreach_ema(teacher, student, momentum):
    ours, theirs = teacher.state_dict(), student.state_dict()  # detached, the same storage
    names = [n for n, t in ours.items() if torch.is_floating_point(t)]
    torch._foreach_lerp_([ours[n] for n in names], [theirs[n] for n in names], 1.0 - momentum)
    rest = [n for n in ours if n not in names]
    if rest:
        torch._foreach_copy_([ours[n] for n in rest], [theirs[n] for n in rest])
