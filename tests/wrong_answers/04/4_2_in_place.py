# names: changes a tensor it was given
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    v.data /= v.data.norm(dim=1, keepdim=True)
    return F.normalize(x, dim=-1) @ v.T
