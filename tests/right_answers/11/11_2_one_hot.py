def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    one_hot = F.one_hot(labels).float()
    unit = F.normalize(features, dim=1)
    weights = (unit @ unit.T / 0.07).exp()  # (N, N)
    part = groups.remainder(5)

    def score(bank, queries, k):
        near = weights[queries][:, bank]
        kept = torch.where(near >= near.topk(k, dim=1).values[:, -1:], near, 0.0)
        return ((kept @ one_hot[bank]).argmax(1) == labels[queries]).double().mean()

    scores = torch.stack([score(part > 1, part == 1, k) for k in ks])
    k = ks[int(scores.argmax())]
    return k, score(part != 0, part == 0, k)
