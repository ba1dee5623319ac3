# names: both in bits
def entropy_and_kl(q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    h = -(q * q.log2()).sum(-1)
    return h, h
