def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)
    yx = mask.nonzero()
    step = (yx[:, None] - yx).abs().sum(-1) <= 1
    reach = step.float()
    for _ in range(len(yx)):
        reach = ((reach @ step.float()) > 0).float()
    inside = yx[reach[int(reach.sum(1).argmax())] > 0]
    (y0, x0), (y1, x1) = inside.amin(0).tolist(), inside.amax(0).tolist()
    return [patch_size * x0, patch_size * y0, patch_size * (x1 + 1), patch_size * (y1 + 1)]
