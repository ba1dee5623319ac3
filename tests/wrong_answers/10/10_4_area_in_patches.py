# names: the area is counted in patches
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    share = F.adaptive_avg_pool2d(truth[:, None].to(maps.dtype), maps.shape[-2:])
    mass = maps / maps.sum(dim=(-2, -1), keepdim=True)
    on_thing = (mass * share).sum(dim=(-2, -1))
    return on_thing / share.sum(dim=(-2, -1))
