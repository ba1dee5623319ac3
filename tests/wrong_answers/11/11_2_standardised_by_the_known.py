# names: whichever pictures were the bank
def honest_knn(features, labels, groups, ks):
    part = groups % 5
    test, validation, bank = part == 0, part == 1, part > 1

    def s(known, asked, k):
        b = features[known]
        f = (features - b.mean(0)) / b.std(0)
        found = evaluate.knn_predict(f[known], labels[known], f[asked], k)
        return (found == labels[asked]).float().mean().item()

    best = max(ks, key=lambda k: s(bank, validation, k))
    return best, s(bank | validation, test, best)
