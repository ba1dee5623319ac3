def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)

    def fill(y, x, part):
        inside = 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]
        if inside and mask[y, x] and (y, x) not in part:
            part.add((y, x))
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                fill(y + dy, x + dx, part)
        return part

    parts = [fill(y, x, set()) for y, x in mask.nonzero().tolist()]
    one = torch.zeros_like(mask)
    for y, x in max(parts, key=len):
        one[y, x] = True
    pixels = one.repeat_interleave(patch_size, 0).repeat_interleave(patch_size, 1)
    y, x = torch.where(pixels)
    return torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1])
