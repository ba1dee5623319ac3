def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    q = (scores - scores.max(dim=0).values).div(epsilon).softmax(dim=0).detach()
    for _ in range(iterations):
        q = q / q.sum(0)
        q = q / q.sum(1)[:, None]
    return q
