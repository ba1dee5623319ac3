# names: numbered from 0
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    order = torch.randperm(n, generator=generator) + 1
    batches = n // batch_size
    return order[: batches * batch_size].view(batches, batch_size)
