# names: The teacher did not move
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    state, new = teacher.state_dict(), student.state_dict()
    for name in state:
        state[name] = momentum * state[name] + (1 - momentum) * new[name]
