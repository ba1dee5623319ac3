# names: Your weights come from the rank, 1 for the first, 1/2 for th
def knn_predict(train_features, train_labels, test_features, k=20, temperature=0.07):
    cosine = F.normalize(test_features, dim=1) @ F.normalize(train_features, dim=1).T
    near, neighbour = cosine.topk(k, dim=1)
    votes = torch.zeros(len(near), int(train_labels.max()) + 1)
    votes.scatter_add_(1, train_labels[neighbour], 1.0 / torch.arange(1, k + 1).expand_as(near))
    return votes.argmax(1)
