def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    import numpy as np

    x, y, part = features.double().numpy(), labels.numpy(), groups.numpy() % 5
    x = x / np.linalg.norm(x, axis=1, keepdims=True)

    def score(bank, queries, k):
        bank, queries = np.flatnonzero(bank), np.flatnonzero(queries)
        s = x[queries] @ x[bank].T
        index = np.argsort(-s, axis=1, kind="stable")[:, :k]
        w = np.exp(np.take_along_axis(s, index, 1) / 0.07)
        votes = np.stack([(w * (y[bank][index] == c)).sum(1) for c in range(y.max() + 1)], 1)
        return float((votes.argmax(1) == y[queries]).mean())

    k = ks[int(np.argmax([score(part > 1, part == 1, k) for k in ks]))]
    return k, score(part > 0, part == 0, k)
