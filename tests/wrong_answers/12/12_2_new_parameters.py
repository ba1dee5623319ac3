# names: You put a new tensor in the place
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [t.detach() for t in teacher.parameters()]
    new = torch._foreach_lerp(ours, [s.detach() for s in student.parameters()], 1 - momentum)
    at = iter(new)
    for module in teacher.modules():
        for name, _ in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(next(at), requires_grad=False))
