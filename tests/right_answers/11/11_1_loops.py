def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    found = []
    for i in range(len(features)):
        for j in range(i + 1, len(features)):
            cosine = F.cosine_similarity(features[i], features[j], dim=0).item()
            if cosine >= threshold:
                found.append((cosine, i, j))
    found.sort(reverse=True)
    return torch.tensor([(i, j) for _, i, j in found], dtype=torch.long).view(-1, 2)
