# names: The row of labels is not right
def knn_predict(train_features, train_labels, test_features, k=20, temperature=0.07):
    cosine = F.normalize(test_features, dim=1) @ F.normalize(train_features, dim=1).T
    near, neighbour = cosine.topk(k, dim=1)
    votes = torch.zeros(len(near), int(train_labels.max()) + 1)
    votes.scatter_add_(1, train_labels[neighbour], (near / temperature).exp())
    return votes.argmax(1) + 1
