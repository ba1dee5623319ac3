# names: You took the largest score of all
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.amax(), scores.amax()
