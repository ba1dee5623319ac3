# names: averaged twice: state_dict()
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    theirs = student.state_dict()
    for name, t in teacher.state_dict().items():
        if t.is_floating_point():
            t.lerp_(theirs[name], 1 - momentum)
        else:
            t.copy_(theirs[name])
    for name, t in teacher.named_buffers():
        if name not in theirs:
            t.lerp_(dict(student.named_buffers())[name], 1 - momentum)
