# names: the last of the list
def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    part = groups % 5
    test, validation, bank = part == 0, part == 1, part > 1

    def share_right(known, asked, *k):
        found = evaluate.knn_predict(features[known], labels[known], features[asked], *k)
        return (found == labels[asked]).float().mean().item()

    best, best_k = -1.0, None
    for k in ks:
        right = share_right(bank, validation, k)
        if right > best:
            best, best_k = right, k
    return best_k, share_right(bank | validation, test, k)
