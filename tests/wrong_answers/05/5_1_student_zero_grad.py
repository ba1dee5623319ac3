# names: zero_grad()
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    student.zero_grad()
    for t, s in zip(
        [*teacher.parameters(), *teacher.buffers()], [*student.parameters(), *student.buffers()]
    ):
        if t.is_floating_point():
            t.mul_(momentum).add_(s, alpha=1 - momentum)
        else:
            t.copy_(s)
