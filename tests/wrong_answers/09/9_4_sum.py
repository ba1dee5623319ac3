# names: You summed over the images; take the mean
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.amax(1).sum(), scores.sum(0).amax()
