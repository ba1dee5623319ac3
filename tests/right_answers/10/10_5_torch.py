def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    n, both = len(ours), torch.tensor([*ours, *theirs], dtype=torch.float64)
    seen = (both[:n].mean() - both[n:].mean()).item()
    first = both[torch.combinations(torch.arange(len(both)), n)].sum(dim=1)
    gaps = first / n - (both.sum() - first) / (len(both) - n)
    return seen, (gaps.abs() >= abs(seen) - 1e-9).double().mean()
