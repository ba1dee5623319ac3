def choose_k_and_score(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
    held_out: torch.Tensor,
    candidates: tuple[int, ...],
) -> tuple[int, float]:
    inside, outside = torch.where(held_out)[0], torch.where(~held_out)[0]
    scores = torch.tensor(
        [
            evaluate.accuracy(
                evaluate.knn_predict(
                    train_features[outside], train_labels[outside], train_features[inside], k
                ),
                train_labels[inside],
            )
            for k in candidates
        ]
    )
    k = torch.tensor(candidates)[scores.argmax()]
    predicted = evaluate.knn_predict(train_features, train_labels, test_features, int(k))
    return k, (predicted == test_labels).float().mean() * 100
