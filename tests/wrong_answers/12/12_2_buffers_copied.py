# names: You copied the student's floating-point buffers
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    with torch.no_grad():
        torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - momentum)
        for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
            t.copy_(s)
