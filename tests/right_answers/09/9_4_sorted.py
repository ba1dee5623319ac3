def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = scores.sort(dim=1).values[:, -1]
    head = scores.mean(0).argmax()
    return each.mean(), scores[:, head].mean()
