def mask_and_restore(
    tokens: torch.Tensor,
    noise: torch.Tensor,
    keep: int,
    encoder: Callable[[torch.Tensor], torch.Tensor],
    mask_token: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    at = noise.topk(keep, dim=1, largest=False).indices
    index = at[:, :, None].expand(-1, -1, tokens.shape[-1])
    seen = encoder(tokens.gather(1, index))
    full = mask_token.to(seen.dtype).expand_as(tokens).scatter(1, index, seen)
    return full, torch.ones_like(noise).scatter(1, at, 0.0)
