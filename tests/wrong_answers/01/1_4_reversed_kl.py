# names: this is KL(p || q)
def entropy_and_kl(q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    h = torch.special.entr(q).sum(-1)
    return h, (p * (p / q).log()).sum(-1)
