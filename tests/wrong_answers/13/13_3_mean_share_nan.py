# names: mean of the registers, not their sum, and nan
def patch_maps(attention, registers, h, w):
    row = attention[:, :, 0]
    p = row[..., 1 + registers :]
    return (p / p.sum(-1, keepdim=True)).reshape(*p.shape[:2], h, w), row[
        ..., 1 : 1 + registers
    ].mean(-1)
