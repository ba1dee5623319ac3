# names: rows sum to K
def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    q = ((scores.detach() - scores.max().detach()) / epsilon).exp()
    for _ in range(iterations):
        q = q / q.mean(dim=0, keepdim=True)
        q = q / q.mean(dim=1, keepdim=True)
    return q
