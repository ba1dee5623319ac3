def mask_and_restore(
    tokens: torch.Tensor,
    noise: torch.Tensor,
    keep: int,
    encoder: Callable[[torch.Tensor], torch.Tensor],
    mask_token: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    batch, n, dim = tokens.shape
    ids_shuffle = torch.argsort(noise, dim=1)
    ids_restore = torch.argsort(ids_shuffle, dim=1)
    ids_keep = ids_shuffle[:, :keep]
    x = encoder(torch.gather(tokens, 1, ids_keep.unsqueeze(-1).repeat(1, 1, dim)))
    x = torch.cat([x, mask_token.view(1, 1, dim).to(x.dtype).repeat(batch, n - keep, 1)], dim=1)
    x = torch.gather(x, 1, ids_restore.unsqueeze(-1).repeat(1, 1, dim))
    mask = torch.ones(batch, n, device=tokens.device)
    mask[:, :keep] = 0
    return x, torch.gather(mask, 1, ids_restore)
