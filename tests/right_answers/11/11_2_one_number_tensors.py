def honest_knn(features, labels, groups, ks):
    part = groups % 5

    def share(known, asked, k):
        found = evaluate.knn_predict(features[known], labels[known], features[asked], k)
        return (found == labels[asked]).float().mean(0, keepdim=True)

    best = max(ks, key=lambda k: share(part > 1, part == 1, k))
    return torch.tensor([best]), share(part > 0, part == 0, best)
