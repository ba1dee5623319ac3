# names: again in each round
def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    q = scores.detach() / epsilon
    for _ in range(iterations):
        q = q.softmax(dim=0)
        q = q.softmax(dim=1)
    return q
