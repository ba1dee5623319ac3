def most_similar(features: torch.Tensor) -> torch.Tensor:
    found = []
    for i, a in enumerate(features):
        cosine = torch.nn.functional.cosine_similarity(a[None], features)
        cosine[i] = -2
        found.append(int(cosine.argmax()))
    return torch.tensor(found)
