# names: You chose the head that is best on the first image
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.amax(1).mean(), scores[:, scores.argmax(1)[0]].mean()
