# names: stands there twice
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    pairs = [(i, j) for i in range(n_global) for j in range(n_views) if i != j]
    return pairs + [(0, 1), (1, 0)]
