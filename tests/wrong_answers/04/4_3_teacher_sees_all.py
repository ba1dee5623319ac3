# names: Your teacher sees all views
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n_views) for j in range(n_views) if i != j]
