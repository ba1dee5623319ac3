# names: of the most images
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.amax(1).mean(), scores[:, scores.argmax(1).mode().values].mean()
