# names: Two things.
def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)
    h, w = mask.shape
    seen, largest = set(), []
    for start in mask.nonzero().tolist():
        part, edge = [], [tuple(start)]
        while edge:
            y, x = edge.pop()
            if (y, x) in seen or not (0 <= y < h and 0 <= x < w) or not mask[y, x]:
                continue
            seen.add((y, x))
            part.append((y, x))
            edge += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        if len(part) > len(largest):
            largest = part
    ys, xs = zip(*mask.nonzero().tolist())
    x0, y0, x1, y1 = min(xs), min(ys), max(xs) + 1, max(ys) + 1
    return x0, y0, x1, y1
