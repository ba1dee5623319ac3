# names: one head for the whole data set
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.mean(0).max(), scores.mean(0).max()
