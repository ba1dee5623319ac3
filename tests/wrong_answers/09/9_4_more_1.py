# names: Images and heads are swapped
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.amax(0).mean(), scores.mean(1).amax()
