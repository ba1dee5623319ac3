# names: was enlarged to pixels
def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    attention = F.interpolate(
        attention[None, None], scale_factor=patch_size, mode="bilinear", align_corners=False
    )[0, 0]
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
    ys, xs = zip(*max(parts, key=len), strict=True)
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1
