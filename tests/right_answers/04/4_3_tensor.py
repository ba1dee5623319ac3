def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    different = torch.arange(n_global)[:, None] != torch.arange(n_views)
    return [tuple(pair) for pair in different.nonzero().tolist()]
