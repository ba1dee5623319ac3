# names: Long features win
def most_similar(features: torch.Tensor) -> torch.Tensor:
    similarity = features @ features.T
    similarity.fill_diagonal_(-torch.inf)
    return similarity.argmax(dim=1)
