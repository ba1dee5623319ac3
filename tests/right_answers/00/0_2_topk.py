def most_similar(features: torch.Tensor) -> torch.Tensor:
    unit = features / features.norm(dim=1, keepdim=True)
    return (unit @ unit.T - 3 * torch.eye(len(unit))).topk(1).indices[:, 0]
