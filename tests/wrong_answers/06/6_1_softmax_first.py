# names: You took a softmax of the targets
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    q = targets.softmax(dim=-1)
    entr = torch.special.entr
    return entr(q).sum(dim=-1).mean(), entr(q.mean(dim=0)).sum()
