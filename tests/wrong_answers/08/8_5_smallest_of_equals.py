# names: Of equals the first is asked for
def choose_k_and_score(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
    held_out: torch.Tensor,
    candidates: tuple[int, ...],
) -> tuple[int, float]:
    x, y = train_features, train_labels

    def score(k):
        predicted = evaluate.knn_predict(x[~held_out], y[~held_out], x[held_out], k)
        return evaluate.accuracy(predicted, y[held_out])

    k = max(sorted(candidates), key=score)
    predicted = evaluate.knn_predict(x, y, test_features, k)
    return k, evaluate.accuracy(predicted, test_labels)
