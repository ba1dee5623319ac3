# names: Short vectors, of length 1e-5
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    x = x / (x.norm(dim=-1, keepdim=True) + 1e-8)
    v = v / (v.norm(dim=-1, keepdim=True) + 1e-8)
    return x @ v.T
