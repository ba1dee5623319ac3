# names: These are scores, or one-hot rows
def knn_predict(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    k: int = 20,
    temperature: float = 0.07,
) -> torch.Tensor:
    cosine = F.normalize(test_features, dim=1) @ F.normalize(train_features, dim=1).T
    near, neighbour = cosine.topk(k, dim=1)
    votes = near.new_zeros(len(near), int(train_labels.max()) + 1)
    votes.scatter_add_(1, train_labels[neighbour], (near / temperature).exp())
    return votes
