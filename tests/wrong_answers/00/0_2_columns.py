# names: You brought the columns to length 1
def most_similar(features: torch.Tensor) -> torch.Tensor:
    unit = features / features.norm(dim=0)
    return (unit @ unit.T).fill_diagonal_(-torch.inf).argmax(dim=1)
