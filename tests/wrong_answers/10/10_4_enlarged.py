# names: The maps were enlarged bilinearly
def attention_on_thing(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    fine = F.interpolate(maps, truth.shape[-2:], mode="bilinear")
    on = (fine * truth[:, None]).sum(dim=(-2, -1)) / fine.sum(dim=(-2, -1))
    return on / truth.to(maps.dtype).mean(dim=(-2, -1))[:, None]
