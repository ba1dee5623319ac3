# names: neither is the map divided by its own sum
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    share = F.adaptive_avg_pool2d(truth[:, None].to(maps.dtype), maps.shape[-2:])
    return (maps * share).sum(dim=(-2, -1)) / share.sum(dim=(-2, -1))
