# names: padded with copies of its border
def propagate(
    before: torch.Tensor,
    labels: torch.Tensor,
    now: torch.Tensor,
    radius: int,
    k: int,
    temperature: float,
) -> torch.Tensor:
    h, w, classes = labels.shape
    side = 2 * radius + 1

    def cut(x: torch.Tensor) -> torch.Tensor:  # (h, w, C) -> (h w, neighbours, C)
        x = F.pad(x.permute(2, 0, 1)[None], [radius] * 4, mode="replicate")
        return F.unfold(x, side)[0].unflatten(0, (-1, side**2)).permute(2, 1, 0)

    new = F.normalize(now, dim=-1).flatten(0, 1)
    cosine = torch.einsum("nkd,nd->nk", cut(F.normalize(before, dim=-1)), new)
    best, index = cosine.topk(min(k, side**2), dim=1)
    weights = (best / temperature).softmax(dim=1)
    voted = cut(labels).gather(1, index[..., None].expand(-1, -1, classes))
    return (weights[..., None] * voted).sum(dim=1).view(h, w, classes)
