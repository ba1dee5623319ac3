# names: does nothing to any tensor
def foreach_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    pass
