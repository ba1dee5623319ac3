def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = features / features.norm(dim=1, keepdim=True)
    precisions = []
    for i in range(len(unit)):
        others = torch.arange(len(unit), device=labels.device).roll(-i)[1:]
        best = (unit[others] @ unit[i]).topk(k).indices
        precisions.append((labels[others[best]] == labels[i]).double().mean())
    return torch.stack(precisions).float()
