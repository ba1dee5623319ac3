def attention_box(attention, patch_size, keep=0.6):
    mass, order = attention.flatten().sort(descending=True)
    kept = (mass.cumsum(0) - mass) < keep * mass.sum()
    mask = torch.zeros_like(kept).scatter(0, order, kept).view_as(attention)
    numbers = torch.arange(1, mask.numel() + 1).view_as(mask) * mask
    for _ in range(mask.numel()):
        wide = F.pad(numbers, (1, 1, 1, 1))
        sides = wide[2:, 1:-1], wide[:-2, 1:-1], wide[1:-1, 2:], wide[1:-1, :-2]
        numbers = torch.stack([numbers, *sides]).amax(0) * mask
    ys, xs = (numbers == numbers[mask].mode().values).nonzero().T
    box = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) * patch_size
    return box.split(1)
