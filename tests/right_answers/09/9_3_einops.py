def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    from einops import repeat

    p = target.shape[-2] // mask.shape[-2]
    a = repeat(mask, "b n h w -> b n (h i) (w j)", i=p, j=p).flatten(-2).double()
    b = target.flatten(-2).double()
    overlap = torch.einsum("bnp,bp->bn", a, b)
    union = a.sum(-1) + b.sum(-1)[:, None] - overlap
    return (overlap / union).nan_to_num(1.0)
