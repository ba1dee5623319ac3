def mask_and_restore(
    tokens: torch.Tensor,
    noise: torch.Tensor,
    keep: int,
    encoder: Callable[[torch.Tensor], torch.Tensor],
    mask_token: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    limit = noise.sort(dim=1).values[:, keep - 1 : keep]
    stays = noise <= limit
    seen = encoder(tokens[stays].view(len(tokens), keep, -1))
    full = mask_token.to(seen.dtype).repeat(*noise.shape, 1)
    full[stays] = seen.flatten(0, 1)
    return full, ~stays
