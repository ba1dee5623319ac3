# names: This is the cross-entropy
def entropy_and_kl(q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    h = torch.special.entr(q).sum(-1)
    return h, -torch.special.xlogy(q, p).sum(-1)
