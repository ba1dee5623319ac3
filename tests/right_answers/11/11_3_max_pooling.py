def attention_box(
    attention: torch.Tensor, patch_size: int, keep: float = 0.6
) -> tuple[int, int, int, int]:
    mask = package.mass_mask(attention, keep)
    h, w = mask.shape
    number = (torch.arange(h * w).view(h, w) + 1.0) * mask
    cross = torch.tensor([[0, 1, 0], [1, 1, 1], [0, 1, 0]]).bool()
    while True:
        around = F.unfold(number[None, None], 3, padding=1)[0].view(9, h, w)
        grown = around[cross.flatten()].amax(0) * mask
        if torch.equal(grown, number):
            break
        number = grown
    names, counts = number[mask].unique(return_counts=True)
    rows = (number == names[counts.argmax()]).any(dim=1).nonzero()
    columns = (number == names[counts.argmax()]).any(dim=0).nonzero()
    corners = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return tuple(int(c) * patch_size for c in corners)
