# names: k = 20 is written in
def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    part = groups % 5
    test, validation, bank = part == 0, part == 1, part > 1

    def share_right(known, asked, k):
        found = evaluate.knn_predict(features[known], labels[known], features[asked], k)
        return (found == labels[asked]).float().mean().item()

    return 20, share_right(bank | validation, test, 20)
