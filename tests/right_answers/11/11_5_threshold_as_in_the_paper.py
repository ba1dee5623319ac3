def propagate(
    before: torch.Tensor,
    labels: torch.Tensor,
    now: torch.Tensor,
    radius: int,
    k: int,
    temperature: float,
) -> torch.Tensor:
    h, w, c = labels.shape
    a = now.reshape(h * w, -1)
    b = before.reshape(h * w, -1)
    a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    cosine = torch.einsum("id,jd->ij", a, b)
    i = torch.arange(h * w, device=now.device)
    dy = (i[:, None] // w - i // w).abs()
    dx = (i[:, None] % w - i % w).abs()
    cosine[torch.maximum(dy, dx) > radius] = -torch.inf
    least = cosine.topk(min(k, h * w), dim=1).values[:, -1:]
    affinity = ((cosine - cosine.amax(dim=1, keepdim=True)) / temperature).exp()
    affinity = torch.where(cosine < least, 0.0, affinity)
    affinity = affinity / affinity.sum(dim=1, keepdim=True)
    return torch.einsum("ij,jc->ic", affinity, labels.reshape(h * w, c)).reshape(h, w, c)
