# names: only the global views
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n_global) for j in range(n_global) if i != j]
