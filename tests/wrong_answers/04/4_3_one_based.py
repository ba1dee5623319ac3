# names: Your views are numbered from 1
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(1, n_global + 1) for j in range(1, n_views + 1) if i != j]
