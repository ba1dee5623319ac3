# names: You go through modules()
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    for mt, ms in zip(teacher.modules(), student.modules()):
        for t, s in zip([*mt.parameters(), *mt.buffers()], [*ms.parameters(), *ms.buffers()]):
            if t.is_floating_point():
                t.mul_(momentum).add_(s, alpha=1 - momentum)
            else:
                t.copy_(s)
