# names: The truth was resized bilinearly, which looks
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    share = F.interpolate(truth[:, None].to(maps.dtype), maps.shape[-2:], mode="bilinear")
    mass = maps / maps.sum(dim=(-2, -1), keepdim=True)
    area = truth.to(maps.dtype).mean(dim=(-2, -1))[:, None]
    return (mass * share).sum(dim=(-2, -1)) / area
