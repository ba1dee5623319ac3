# names: averaged over the queries of all tokens
def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return rearrange(matrices.mean(dim=-2)[:, :, 1:], "b heads (h w) -> b heads h w", h=h, w=w)
