def pca_colours(features: torch.Tensor) -> torch.Tensor:
    centred = features - features.mean(dim=(0, 1, 2))
    covariance = torch.einsum("nhwd,nhwe->de", centred, centred) / centred[..., 0].numel()
    values, vectors = torch.linalg.eigh(covariance)
    out = []
    for i in (-1, -2, -3):
        v = vectors[:, i]
        if v[v.abs().argmax()] < 0:
            v = -v
        y = torch.einsum("nhwd,d->nhw", centred, v) / values[i].sqrt()
        out.append((y - y.min()) / (y.max() - y.min()))
    return torch.stack(out, dim=-1)
