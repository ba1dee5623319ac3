def mask_and_restore(
    tokens: torch.Tensor,
    noise: torch.Tensor,
    keep: int,
    encoder: Callable[[torch.Tensor], torch.Tensor],
    mask_token: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    kept = [sorted(range(len(row)), key=row.tolist().__getitem__)[:keep] for row in noise]
    seen = encoder(torch.stack([x[at] for x, at in zip(tokens, kept, strict=True)]))
    full, mask = [], torch.ones(noise.shape)
    for b, at in enumerate(kept):
        line = [mask_token.to(seen.dtype)] * tokens.shape[1]
        for i, n in enumerate(at):
            line[n] = seen[b, i]
            mask[b, n] = 0
        full.append(torch.stack(line))
    return torch.stack(full), mask
