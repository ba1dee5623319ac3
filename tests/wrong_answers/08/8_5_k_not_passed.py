# names: default of 20
def choose_k_and_score(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
    held_out: torch.Tensor,
    candidates: tuple[int, ...],
) -> tuple[int, float]:
    def judge(k):
        bank, bank_labels = train_features[~held_out], train_labels[~held_out]
        predicted = evaluate.knn_predict(bank, bank_labels, train_features[held_out], k)
        return evaluate.accuracy(predicted, train_labels[held_out])

    k = max(candidates, key=judge)
    predicted = evaluate.knn_predict(train_features, train_labels, test_features)
    return k, evaluate.accuracy(predicted, test_labels)
