# names: There is one iteration
def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    q = ((scores.detach() - scores.max().detach()) / epsilon).exp()
    q = q / q.sum(dim=0, keepdim=True)
    q = q / q.sum(dim=1, keepdim=True)
    return q
