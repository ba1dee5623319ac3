# names: the noise is not used
def mask_and_restore(
    tokens: torch.Tensor,
    noise: torch.Tensor,
    keep: int,
    encoder: Callable[[torch.Tensor], torch.Tensor],
    mask_token: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    ids_shuffle = torch.arange(noise.shape[1], device=noise.device).expand_as(noise)
    ids_restore = ids_shuffle.argsort(dim=1)
    kept = torch.take_along_dim(tokens, ids_shuffle[:, :keep, None], dim=1)
    seen = encoder(kept)
    hidden = mask_token.expand(len(tokens), tokens.shape[1] - keep, -1)
    line = torch.cat([seen, hidden], dim=1)
    full = torch.take_along_dim(line, ids_restore[..., None], dim=1)
    return full, (ids_restore >= keep).to(noise.dtype)
