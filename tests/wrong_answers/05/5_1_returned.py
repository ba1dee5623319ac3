# names: You return a teacher
@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> nn.Module:
    new = copy.deepcopy(teacher)
    for t, s in zip(new.parameters(), student.parameters(), strict=True):
        t.lerp_(s, 1 - momentum)
    return new
