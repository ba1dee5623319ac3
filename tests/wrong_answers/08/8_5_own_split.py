# names: a split of your own, the last 20%
def choose_k_and_score(
    train_features, train_labels, test_features, test_labels, held_out, candidates
):
    n = int(0.8 * len(train_features))
    x, y = train_features, train_labels

    def score(k):
        return evaluate.accuracy(evaluate.knn_predict(x[:n], y[:n], x[n:], k), y[n:])

    k = max(candidates, key=score)
    return k, evaluate.accuracy(evaluate.knn_predict(x, y, test_features, k), test_labels)
