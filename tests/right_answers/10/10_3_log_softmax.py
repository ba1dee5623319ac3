def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    with torch.no_grad():
        log_q = scores.double() / epsilon
        for _ in range(iterations):
            log_q = F.log_softmax(F.log_softmax(log_q, dim=0), dim=1)
        return log_q.exp().to(scores.dtype)
