# names: the smaller of the numbers
def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)
    h, w = mask.shape
    names, count = {}, 0
    for y in range(h):
        for x in range(w):
            if mask[y, x]:
                near = [names[p] for p in ((y - 1, x), (y, x - 1)) if p in names]
                count += not near
                names[y, x] = min(near) if near else count
    parts = [[p for p in names if names[p] == n] for n in set(names.values())]
    ys, xs = zip(*max(parts, key=len), strict=True)
    corners = min(xs), min(ys), max(xs) + 1, max(ys) + 1
    return tuple(corner * patch_size for corner in corners)
