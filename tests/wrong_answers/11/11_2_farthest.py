# names: *farthest* neighbours
def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    part = groups % 5
    test, validation, bank = part == 0, part == 1, part > 1

    def share_right(known, asked, k):
        a = F.normalize(features[asked], dim=1)
        b = F.normalize(features[known], dim=1)
        near, index = (a @ b.T).topk(k, dim=1, largest=False)
        votes = torch.zeros(len(a), int(labels.max()) + 1)
        votes.scatter_add_(1, labels[known][index], (-near / 0.07).exp())
        found = votes.argmax(dim=1)
        return (found == labels[asked]).float().mean().item()

    best = max(ks, key=lambda k: share_right(bank, validation, k))
    return best, share_right(bank | validation, test, best)
