def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    patch = truth.shape[-1] // maps.shape[-1]
    fine = maps.repeat_interleave(patch, dim=-2).repeat_interleave(patch, dim=-1)
    on = (fine * truth[:, None]).sum((-2, -1)) / fine.sum((-2, -1))
    return on / truth.to(maps.dtype).mean((-2, -1))[:, None]
