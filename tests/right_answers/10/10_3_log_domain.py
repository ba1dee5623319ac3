def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    with torch.no_grad():
        log_q = scores / epsilon
        for _ in range(iterations):
            log_q = log_q - log_q.logsumexp(dim=0, keepdim=True)
            log_q = log_q.log_softmax(dim=1)
        return log_q.exp()
