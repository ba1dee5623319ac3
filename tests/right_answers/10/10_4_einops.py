import einops


def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    h, w = maps.shape[-2:]
    share = einops.reduce(truth.to(maps.dtype), "b (h p) (w q) -> b h w", "mean", h=h, w=w)
    on = torch.einsum("bnhw,bhw->bn", maps, share) / maps.sum((2, 3))
    return on / share.mean((1, 2))[:, None]
