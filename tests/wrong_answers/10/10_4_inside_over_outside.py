# names: divided by the mass beside it
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    t = F.adaptive_avg_pool2d(truth[:, None].to(maps.dtype), maps.shape[-2:])
    inside = (maps * t).sum(dim=(2, 3))
    outside = (maps * (1 - t)).sum(dim=(2, 3))
    area = t.mean(dim=(2, 3))
    return inside / outside / area
