def entropy_and_kl(q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    log_q = torch.where(q > 0, q, torch.ones_like(q)).log()
    return -(q * log_q).sum(-1), (q * (log_q - p.log())).sum(-1)
