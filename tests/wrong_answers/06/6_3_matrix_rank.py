# names: counted the singular values above 0
def effective_rank(features: torch.Tensor) -> float:
    return float(torch.linalg.matrix_rank(features - features.mean(0)))
