# names: single highest score
def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return scores.amax(1).mean(), scores[:, scores.argmax() % scores.shape[1]].mean()
