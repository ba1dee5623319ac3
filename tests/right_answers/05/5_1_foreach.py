def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    with torch.no_grad():
        ours = [*teacher.parameters(), *teacher.buffers()]
        theirs = [*student.parameters(), *student.buffers()]
        floats = [i for i, t in enumerate(ours) if t.is_floating_point()]
        torch._foreach_lerp_([ours[i] for i in floats], [theirs[i] for i in floats], 1 - momentum)
        for t, s in zip(ours, theirs, strict=True):
            if not t.is_floating_point():
                t.copy_(s)
