# names: Return two tensors
def entropy_and_kl(q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.special.entr(q).sum(-1)
