def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    B, heads, h, w = maps.shape
    p = truth.shape[1] // h
    t = truth.to(maps.dtype).reshape(B, h, p, w, p).mean(dim=(2, 4)).flatten(1)  # (B, h*w)
    m = maps.flatten(2)
    share = (m @ t[:, :, None]).squeeze(-1) / m.sum(dim=-1)
    return share / t.mean(dim=1, keepdim=True)
