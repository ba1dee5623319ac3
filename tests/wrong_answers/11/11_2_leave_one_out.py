# names: (leave one out)
def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-2)
    scores = []
    for k in ks:
        near, index = cosine.topk(k, dim=1)
        votes = torch.zeros(len(unit), int(labels.max()) + 1)
        votes.scatter_add_(1, labels[index], (near / 0.07).exp())
        scores.append((votes.argmax(dim=1) == labels).float().mean().item())
    return ks[scores.index(max(scores))], max(scores)
