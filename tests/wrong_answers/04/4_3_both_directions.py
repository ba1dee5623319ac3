# names: in both directions
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    pairs = set()
    for i in range(n_global):
        for j in range(n_views):
            if i != j:
                pairs |= {(i, j), (j, i)}
    return sorted(pairs)
