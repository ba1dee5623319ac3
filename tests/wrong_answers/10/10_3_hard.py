# names: Assignments are made hard
def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    q = ((scores.detach() - scores.max().detach()) / epsilon).exp()
    for _ in range(iterations):
        q = q / q.sum(dim=0, keepdim=True)
        q = q / q.sum(dim=1, keepdim=True)
    return F.one_hot(q.argmax(dim=1), q.shape[1]).to(q.dtype)
