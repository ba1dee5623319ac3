# names: A part falls into several
def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)
    h, w = mask.shape
    number, next_one = torch.zeros(h, w, dtype=torch.long), 1
    for y in range(h):
        for x in range(w):
            if not mask[y, x]:
                continue
            if x and number[y, x - 1]:
                number[y, x] = number[y, x - 1]
            elif y and number[y - 1, x]:
                number[y, x] = number[y - 1, x]
            else:
                number[y, x] = next_one
                next_one += 1
    names, counts = number[number > 0].unique(return_counts=True)
    ys, xs = (number == names[counts.argmax()]).nonzero().unbind(1)
    return tuple(patch_size * int(c) for c in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
