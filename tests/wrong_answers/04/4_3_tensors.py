# names: should be integers
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    pairs = []
    for i in torch.arange(n_global):
        for j in torch.arange(n_views):
            if i != j:
                pairs.append((i, j))
    return pairs
