# names: each two of them are there once
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    import itertools

    return list(itertools.combinations(range(n_views), 2))
