# names: in the mass and in the area: it looks
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    share = F.interpolate(truth[:, None].to(maps.dtype), maps.shape[-2:], mode="bilinear")
    mass = maps / maps.sum(dim=(-2, -1), keepdim=True)
    return (mass * share).sum(dim=(-2, -1)) / share.mean(dim=(-2, -1))
