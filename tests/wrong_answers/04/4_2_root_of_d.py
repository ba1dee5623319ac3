# names: You divided the cosine by sqrt(d)
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, dim=-1) @ F.normalize(v, dim=-1).T / math.sqrt(x.shape[-1])
