# names: computed in float16
def momentum_for_half_life(half_life: float) -> float:
    return (torch.tensor(0.5) ** (1 / half_life)).half().item()
