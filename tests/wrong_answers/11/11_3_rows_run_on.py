# names: The end of a row holds together
def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)
    h, w = mask.shape
    flat = mask.flatten().tolist()
    seen, largest = set(), []
    for start in range(h * w):
        part, edge = [], [start]
        while edge:
            i = edge.pop()
            if not 0 <= i < h * w or i in seen or not flat[i]:
                continue
            seen.add(i)
            part.append(i)
            edge += [i - 1, i + 1, i - w, i + w]
        if len(part) > len(largest):
            largest = part
    ys, xs = [i // w for i in largest], [i % w for i in largest]
    return tuple(patch_size * c for c in (min(xs), min(ys), max(xs) + 1, max(ys) + 1))
