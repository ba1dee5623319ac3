# names: All images of the bank vote
def knn_predict(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    k: int = 20,
    temperature: float = 0.07,
) -> torch.Tensor:
    cosine = F.normalize(test_features, dim=1) @ F.normalize(train_features, dim=1).T
    return ((cosine / temperature).exp() @ F.one_hot(train_labels).float()).argmax(dim=1)
