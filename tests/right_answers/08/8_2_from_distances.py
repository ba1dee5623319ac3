def knn_predict(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    k: int = 20,
    temperature: float = 0.07,
) -> torch.Tensor:
    a, b = F.normalize(test_features.double(), dim=1), F.normalize(train_features.double(), dim=1)
    d, neighbour = torch.cdist(a, b).topk(k, dim=1, largest=False)
    weights = ((1 - d**2 / 2 - 1) / temperature).exp()
    labels = train_labels[neighbour]
    votes = [(weights * (labels == c)).sum(1) for c in range(int(train_labels.max()) + 1)]
    return torch.stack(votes, dim=1).argmax(1)
