# names: Short vectors, of length 1e-5
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    x = x * (x.square().sum(-1, keepdim=True) + 1e-6).rsqrt()
    v = v * (v.square().sum(-1, keepdim=True) + 1e-6).rsqrt()
    return x @ v.T
