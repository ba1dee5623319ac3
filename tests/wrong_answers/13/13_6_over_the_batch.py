# names: sorted over the batch
def mask_and_restore(
    tokens: torch.Tensor,
    noise: torch.Tensor,
    keep: int,
    encoder: Callable[[torch.Tensor], torch.Tensor],
    mask_token: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    at = noise.argsort(dim=0)[:, :keep]
    rows = torch.arange(len(tokens))[:, None]
    full = mask_token.expand_as(tokens).clone()
    full[rows, at] = encoder(tokens[rows, at])
    return full, torch.ones_like(noise).scatter(1, at, 0.0)
