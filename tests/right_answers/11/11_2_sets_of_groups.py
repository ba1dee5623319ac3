def honest_knn(
    features: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, ks: list[int]
) -> tuple[int, float]:
    names = groups.unique()
    held_out = names[names % 5 == 0]
    for_choice = names[names % 5 == 1]
    is_test, is_val = torch.isin(groups, held_out), torch.isin(groups, for_choice)
    is_train = ~(is_test | is_val)
    results = {}
    for k in ks:
        p = evaluate.knn_predict(features[is_train], labels[is_train], features[is_val], k=k)
        results[k] = evaluate.accuracy(p, labels[is_val])
    best = max(results, key=results.get)
    p = evaluate.knn_predict(features[~is_test], labels[~is_test], features[is_test], k=best)
    return best, evaluate.accuracy(p, labels[is_test]) / 100
