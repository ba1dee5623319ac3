# names: whose *mean* feature is nearest
def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    part = groups % 5
    test, validation, bank = part == 0, part == 1, part > 1

    def share_right(known, asked, k):
        classes = labels[known].unique()
        known_features = F.normalize(features[known], dim=1)
        means = torch.stack([known_features[labels[known] == c].mean(dim=0) for c in classes])
        asked_features = F.normalize(features[asked], dim=1)
        found = classes[(asked_features @ F.normalize(means, dim=1).T).argmax(dim=1)]
        return (found == labels[asked]).float().mean().item()

    best = max(ks, key=lambda k: share_right(bank, validation, k))
    return best, share_right(bank | validation, test, best)
