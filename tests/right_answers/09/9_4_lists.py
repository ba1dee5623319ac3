def best_heads(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows = scores.tolist()
    each = sum(max(row) for row in rows) / len(rows)
    one = max(sum(column) / len(rows) for column in zip(*rows, strict=True))
    return each, one
