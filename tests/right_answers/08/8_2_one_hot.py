def knn_predict(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    k: int = 20,
    temperature: float = 0.07,
) -> torch.Tensor:
    similarity = F.cosine_similarity(test_features[:, None], train_features[None], dim=-1)
    near, neighbour = similarity.sort(dim=1, descending=True)
    near, neighbour = near[:, :k], neighbour[:, :k]
    one_hot = F.one_hot(train_labels, int(train_labels.max()) + 1)[neighbour]
    weights = torch.softmax(near / temperature, dim=1)
    return (weights[..., None] * one_hot).sum(dim=1).argmax(dim=1)
