# names: you draw noise of your own
def mask_and_restore(
    tokens: torch.Tensor,
    noise: torch.Tensor,
    keep: int,
    encoder: Callable[[torch.Tensor], torch.Tensor],
    mask_token: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    ids_shuffle = torch.rand_like(noise).argsort(dim=1)
    ids_restore = ids_shuffle.argsort(dim=1)
    seen = encoder(torch.take_along_dim(tokens, ids_shuffle[:, :keep, None], dim=1))
    hidden = mask_token.expand(len(tokens), tokens.shape[1] - keep, -1)
    full = torch.take_along_dim(torch.cat([seen, hidden], dim=1), ids_restore[..., None], dim=1)
    return full, (ids_restore >= keep).to(noise.dtype)
