# names: Some images are never seen
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    return torch.randperm(n // batch_size * batch_size, generator=generator).view(-1, batch_size)
