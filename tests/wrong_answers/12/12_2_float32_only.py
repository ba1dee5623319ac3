# names: of another floating type
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    pairs = list(zip(ours, theirs, strict=True))
    averaged = [(t, s) for t, s in pairs if t.dtype == torch.float32]
    with torch.no_grad():
        torch._foreach_lerp_([t for t, _ in averaged], [s for _, s in averaged], 1 - momentum)
        for t, s in pairs:
            if t.dtype != torch.float32:
                t.copy_(s)
