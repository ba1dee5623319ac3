# names: with 20, the default of knn_predict
def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    part = groups % 5
    test, validation, bank = part == 0, part == 1, part > 1

    def share_right(known, asked, *k):
        found = evaluate.knn_predict(features[known], labels[known], features[asked], *k)
        return (found == labels[asked]).float().mean().item()

    best = max(ks, key=lambda k: share_right(bank, validation, k))
    return best, share_right(bank | validation, test)
