# names: This is DINO's centering
def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    scores = scores.detach()
    return ((scores - scores.mean(dim=0)) / epsilon).softmax(dim=1)
