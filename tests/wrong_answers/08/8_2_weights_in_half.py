# names: too large for half precision
def knn_predict(train_features, train_labels, test_features, k=20, temperature=0.07):
    s = F.normalize(test_features) @ F.normalize(train_features).T
    v, i = s.topk(k)
    w = (v / temperature).half().exp()
    votes = (
        torch.zeros(len(s), int(train_labels.max()) + 1).half().scatter_add_(1, train_labels[i], w)
    )
    return votes.argmax(1)
