def rope(tokens: torch.Tensor, h: int, w: int, base: float) -> torch.Tensor:
    d = tokens.shape[-1]
    kw = {"device": tokens.device, "dtype": tokens.dtype}
    y = (2 * torch.arange(h, **kw) + 1 - h) / h
    x = (2 * torch.arange(w, **kw) + 1 - w) / w
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2)
    periods = base ** torch.linspace(0, 1, d // 4 + 1, **kw)[:-1]
    angles = (2 * torch.pi * grid.unsqueeze(-1) / periods).flatten(1).tile(2)
    first = tokens.shape[2] - h * w
    cls, patches = tokens[:, :, :first], tokens[:, :, first:]
    turned = torch.cat((-patches[..., d // 2 :], patches[..., : d // 2]), dim=-1)
    return torch.cat((cls, patches * angles.cos() + turned * angles.sin()), dim=2)
