# names: without dim
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    import warnings

    warnings.simplefilter("ignore")
    return torch.nn.functional.softmax(scores / temperature)
