# names: Of equally good candidates you took the largest k
def choose_k_and_score(
    train_features, train_labels, test_features, test_labels, held_out, candidates
):
    x, y, h = train_features, train_labels, held_out

    def score(k):
        return evaluate.accuracy(evaluate.knn_predict(x[~h], y[~h], x[h], k), y[h])

    k = max(candidates, key=lambda k: (score(k), k))
    return k, evaluate.accuracy(evaluate.knn_predict(x, y, test_features, k), test_labels)
