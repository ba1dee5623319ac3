# names: Every batch holds the same images
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    batch = torch.randperm(n, generator=generator)[:batch_size]
    return torch.stack([batch] * (n // batch_size))
