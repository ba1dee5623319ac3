# names: You took absolute values
def most_similar(features: torch.Tensor) -> torch.Tensor:
    unit = features / features.norm(dim=1, keepdim=True)
    return (unit @ unit.T).abs().fill_diagonal_(-torch.inf).argmax(dim=1)
