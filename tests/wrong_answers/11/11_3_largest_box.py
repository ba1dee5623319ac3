# names: the part with the largest *box*
def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)
    left = {(y, x) for y, x in mask.nonzero().tolist()}
    parts = []
    while left:
        part = [left.pop()]
        for y, x in part:
            for there in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if there in left:
                    left.remove(there)
                    part.append(there)
        parts.append(part)

    def box(part):
        ys, xs = zip(*part, strict=True)
        return [c * patch_size for c in (min(xs), min(ys), max(xs) + 1, max(ys) + 1)]

    boxes = [box(part) for part in parts]
    return tuple(max(boxes, key=lambda b: (b[2] - b[0]) * (b[3] - b[1])))
