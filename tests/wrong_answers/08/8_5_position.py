# names: You returned the *position*
def choose_k_and_score(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
    held_out: torch.Tensor,
    candidates: tuple[int, ...],
) -> tuple[int, float]:
    bank, bank_labels = train_features[~held_out], train_labels[~held_out]
    queries, truth = train_features[held_out], train_labels[held_out]

    def score(k):
        return evaluate.accuracy(evaluate.knn_predict(bank, bank_labels, queries, k), truth)

    position = max(range(len(candidates)), key=lambda i: score(candidates[i]))
    k = candidates[position]
    predicted = evaluate.knn_predict(train_features, train_labels, test_features, k)
    return position, evaluate.accuracy(predicted, test_labels)
