# names: You put a new parameter or buffer
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    for ours, theirs in zip(teacher.modules(), student.modules(), strict=True):
        for name, t in list(ours.named_parameters(recurse=False)):
            s = getattr(theirs, name)
            new = momentum * t.detach() + (1 - momentum) * s.detach()
            setattr(ours, name, nn.Parameter(new, requires_grad=False))
