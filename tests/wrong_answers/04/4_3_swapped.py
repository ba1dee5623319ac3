# names: The teacher's comes first
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    return [(j, i) for i in range(n_global) for j in range(n_views) if i != j]
