# names: groups // 5
def honest_knn(features, labels, groups, ks):
    part = groups // 5
    test, validation, bank = part == 0, part == 1, part > 1

    def s(known, asked, k):
        found = evaluate.knn_predict(features[known], labels[known], features[asked], k)
        return (found == labels[asked]).float().mean().item()

    best = max(ks, key=lambda k: s(bank, validation, k))
    return best, s(bank | validation, test, best)
