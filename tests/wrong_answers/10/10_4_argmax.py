# names: the brightest patch alone
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    share = F.adaptive_avg_pool2d(truth[:, None].to(maps.dtype), maps.shape[-2:])
    peak = maps.flatten(2).argmax(dim=-1)
    mass = maps / maps.sum(dim=(-2, -1), keepdim=True)
    on_thing = torch.stack([share[i, 0].flatten()[peak[i]] for i in range(len(maps))])
    return on_thing / share.mean(dim=(-2, -1))
