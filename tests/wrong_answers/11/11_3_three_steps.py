# names: A part grew by 3 steps and no further
def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)
    best = torch.zeros_like(mask)
    for y, x in mask.nonzero().tolist():
        part = torch.zeros_like(mask)
        part[y, x] = True
        for _ in range(3):
            wide = F.pad(part, (1, 1, 1, 1))
            grown = wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
            part = (part | grown) & mask
        if part.sum() > best.sum():
            best = part
    ys, xs = best.nonzero().unbind(1)
    corners = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    return tuple(int(corner) * patch_size for corner in corners)
