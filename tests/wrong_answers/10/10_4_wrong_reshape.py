# names: which mixes its rows
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    B, heads, h, w = maps.shape
    p = truth.shape[1] // h
    t = truth.float().reshape(B, h, w, p, p).mean(dim=(3, 4))
    share = (maps * t[:, None]).sum(dim=(2, 3)) / maps.sum(dim=(2, 3))
    return share / t.mean(dim=(1, 2))[:, None]
