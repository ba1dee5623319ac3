def propagate(
    before: torch.Tensor,
    labels: torch.Tensor,
    now: torch.Tensor,
    radius: int,
    k: int,
    temperature: float,
) -> torch.Tensor:
    h, w, _ = labels.shape
    out = torch.zeros_like(labels)
    for y in range(h):
        for x in range(w):
            rows = slice(max(0, y - radius), y + radius + 1)
            columns = slice(max(0, x - radius), x + radius + 1)
            window = before[rows, columns].flatten(0, 1)
            cosine = F.cosine_similarity(window, now[y, x][None], dim=-1)
            near, index = cosine.topk(min(k, len(cosine)))
            weights = (near / temperature).softmax(0)
            out[y, x] = weights @ labels[rows, columns].flatten(0, 1)[index]
    return out
