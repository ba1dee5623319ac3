# names: Every batch is a run of neighbours
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    batches = torch.arange(n // batch_size * batch_size).view(-1, batch_size)
    return batches[torch.randperm(len(batches), generator=generator)]
