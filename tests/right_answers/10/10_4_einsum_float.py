def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    share = F.adaptive_avg_pool2d(truth.float(), maps.shape[-2:])
    mass = maps / maps.sum(dim=(-2, -1), keepdim=True)
    return torch.einsum("bnhw,bhw->bn", mass, share) / share.mean(dim=(1, 2))[:, None]
