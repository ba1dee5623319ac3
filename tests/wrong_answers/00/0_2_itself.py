# names: most similar to itself
def most_similar(features: torch.Tensor) -> torch.Tensor:
    unit = torch.nn.functional.normalize(features, dim=-1)
    return (unit @ unit.T).argmax(dim=1)
