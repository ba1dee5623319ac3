# names: buffers that are not saved
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours, theirs = teacher.state_dict(), student.state_dict()
    new = {}
    for name, t in ours.items():
        s = theirs[name]
        new[name] = t + (1 - momentum) * (s - t) if t.is_floating_point() else s
    teacher.load_state_dict(new)
