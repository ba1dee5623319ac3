def knn_predict(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    k: int = 20,
    temperature: float = 0.07,
) -> torch.Tensor:
    bank = train_features / train_features.norm(dim=1, keepdim=True)
    predicted = []
    for query in test_features:
        cosine = bank @ (query / query.norm())
        nearest = cosine.argsort(descending=True)[:k]
        scores = [
            (cosine[nearest] / temperature).exp()[train_labels[nearest] == c].sum().item()
            for c in range(int(train_labels.max()) + 1)
        ]
        predicted.append(scores.index(max(scores)))
    return torch.tensor(predicted)
