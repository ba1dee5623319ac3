# names: You divided by lengths
def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    q = ((scores.detach() - scores.max().detach()) / epsilon).exp()
    for _ in range(iterations):
        q = F.normalize(q, dim=0)
        q = F.normalize(q, dim=1)
    return q
