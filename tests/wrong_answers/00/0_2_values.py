# names: argmax tells where they stand
def most_similar(features: torch.Tensor) -> torch.Tensor:
    unit = features / features.norm(dim=1, keepdim=True)
    return (unit @ unit.T).fill_diagonal_(-torch.inf).amax(dim=1)
