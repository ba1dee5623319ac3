def propagate(
    before: torch.Tensor,
    labels: torch.Tensor,
    now: torch.Tensor,
    radius: int,
    k: int,
    temperature: float,
) -> torch.Tensor:
    h, w, c = labels.shape
    y, x = torch.meshgrid(
        torch.arange(h, device=now.device), torch.arange(w, device=now.device), indexing="ij"
    )
    places = torch.stack([y, x], dim=-1).flatten(0, 1)
    far = (places[:, None] - places[None]).abs().amax(dim=-1) > radius
    s = F.normalize(now, dim=2).flatten(0, 1) @ F.normalize(before, dim=2).flatten(0, 1).mT
    s = torch.where(far, torch.full_like(s, -torch.inf), s) / temperature
    top = s.topk(min(k, s.shape[1]), dim=1)
    kept = torch.full_like(s, -torch.inf).scatter(1, top.indices, top.values)
    return (kept.softmax(dim=1) @ labels.flatten(0, 1)).unflatten(0, (h, w))
