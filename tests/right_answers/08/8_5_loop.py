def choose_k_and_score(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
    held_out: torch.Tensor,
    candidates: tuple[int, ...],
) -> tuple[int, float]:
    best_k, best = None, -1.0
    for k in candidates:
        predicted = evaluate.knn_predict(
            train_features[~held_out], train_labels[~held_out], train_features[held_out], k
        )
        correct = (predicted == train_labels[held_out]).double().mean().item()
        if correct > best:
            best_k, best = k, correct
    predicted = evaluate.knn_predict(train_features, train_labels, test_features, k=best_k)
    return best_k, 100 * (predicted == test_labels).double().mean().item()
