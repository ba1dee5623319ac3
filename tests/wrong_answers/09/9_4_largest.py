# names: largest score of all: one image, one head. Take the mean over images first
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.amax(1).mean(), scores.max()
