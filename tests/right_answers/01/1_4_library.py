def entropy_and_kl(q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    kl = torch.nn.functional.kl_div(p.log(), q, reduction="none").sum(-1)
    return torch.special.entr(q).sum(-1), kl
