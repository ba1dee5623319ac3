# names: argmax, not argmin
def most_similar(features: torch.Tensor) -> torch.Tensor:
    unit = torch.nn.functional.normalize(features, dim=-1)
    return (unit @ unit.T).argmin(dim=1)
