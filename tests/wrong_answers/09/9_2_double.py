# names: Of equal patches you keep all
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    shares = maps.flatten(-2).double()
    shares = shares / shares.sum(-1, keepdim=True)
    larger = shares[..., None, :] > shares[..., :, None]  # is patch j larger than patch i?
    ahead = (larger * shares[..., None, :]).sum(-1)
    return (ahead < keep).view(maps.shape)
