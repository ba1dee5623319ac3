# names: You scaled the student's own tensors
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    with torch.no_grad():
        mine = [t for t in ours if t.is_floating_point()]
        news = [s for s in theirs if s.is_floating_point()]
        torch._foreach_mul_(mine, momentum)
        torch._foreach_mul_(news, 1 - momentum)
        torch._foreach_add_(mine, news)
        for t, s in zip(ours, theirs, strict=True):
            if not t.is_floating_point():
                t.copy_(s)
