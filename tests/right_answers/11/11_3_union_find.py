def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    flat, order = attention.flatten().sort(descending=True)
    n = int((flat.cumsum(0) < keep * flat.sum() - 1e-7).sum()) + 1
    w = attention.shape[1]
    parent = {i: i for i in order[:n].tolist()}

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for i in parent:
        if i % w and i - 1 in parent:
            parent[root(i)] = root(i - 1)
        if i - w in parent:
            parent[root(i)] = root(i - w)
    parts = {}
    for i in parent:
        parts.setdefault(root(i), []).append(i)
    part = max(parts.values(), key=len)
    xs, ys = [i % w for i in part], [i // w for i in part]
    return (
        min(xs) * patch_size,
        min(ys) * patch_size,
        (max(xs) + 1) * patch_size,
        (max(ys) + 1) * patch_size,
    )
