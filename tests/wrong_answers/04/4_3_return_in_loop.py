# names: Is the `return` inside the outer loop
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    pairs = []
    for i in range(n_global):
        for j in range(n_views):
            if i != j:
                pairs.append((i, j))
        return pairs
