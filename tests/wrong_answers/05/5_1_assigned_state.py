# names: You put a new parameter or buffer
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours, theirs = teacher.state_dict(), student.state_dict()
    new = {n: momentum * ours[n] + (1 - momentum) * theirs[n] for n in ours}
    teacher.load_state_dict(new, assign=True)
