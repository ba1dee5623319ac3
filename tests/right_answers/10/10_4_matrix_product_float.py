def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    share = F.avg_pool2d(truth.float(), truth.shape[-1] // maps.shape[-1]).flatten(1)
    on = (maps.flatten(2) @ share[..., None])[..., 0] / maps.flatten(2).sum(dim=2)
    return on / share.mean(dim=1, keepdim=True)
