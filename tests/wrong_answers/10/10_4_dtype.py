# names: a type is written in
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    share = F.adaptive_avg_pool2d(truth[:, None].float(), maps.shape[-2:])
    mass = maps.float() / maps.float().sum(dim=(-2, -1), keepdim=True)
    on_thing = (mass * share).sum(dim=(-2, -1))
    return on_thing / share.mean(dim=(-2, -1))
