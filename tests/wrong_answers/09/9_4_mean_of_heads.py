# names: mean over heads
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.mean(), scores.mean(0).max()
