def is_it_real(ours, theirs):
    both, n = torch.tensor([*ours, *theirs], dtype=torch.float64), len(ours)
    first = torch.tensor(list(combinations(range(len(both)), n)))
    sums = both[first].sum(1)
    d = sums / n - (both.sum() - sums) / len(theirs)
    return d[:1], (d.abs() >= d[0].abs() - 1e-9).double().mean(0, keepdim=True)
