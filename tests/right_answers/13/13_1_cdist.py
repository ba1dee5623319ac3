def koleo(features: torch.Tensor) -> torch.Tensor:
    x = features / features.norm(dim=1, keepdim=True)
    others = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances[others].view(len(x), -1).min(dim=1).values
    return torch.log(nearest + 1e-8).neg().mean()
