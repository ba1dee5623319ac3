# names: Only pictures that follow each other
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    cosine = F.cosine_similarity(features[:-1], features[1:], dim=1)
    first = (cosine >= threshold).nonzero()[:, 0]
    first = first[cosine[first].argsort(descending=True)]
    return torch.stack([first, first + 1], dim=1)
