# names: that are not of float32
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    for t, s in zip(
        [*teacher.parameters(), *teacher.buffers()], [*student.parameters(), *student.buffers()]
    ):
        if t.dtype == torch.float32:
            t.mul_(momentum).add_(s, alpha=1 - momentum)
        else:
            t.copy_(s)
