def knn_predict(train_features, train_labels, test_features, k=20, temperature=0.07):
    import numpy as np

    a, b = test_features.numpy(), train_features.numpy()
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    s = a @ b.T
    nb = np.argsort(-s, axis=1)[:, :k]
    w = np.exp(np.take_along_axis(s, nb, 1) / temperature)
    y = train_labels.numpy()[nb]
    v = np.stack([(w * (y == c)).sum(1) for c in range(y.max() + 1)], 1)
    return torch.from_numpy(v.argmax(1))
