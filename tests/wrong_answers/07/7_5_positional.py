# names: passed by name
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    order = torch.randperm(n, generator)
    return order[: n // batch_size * batch_size].view(-1, batch_size)
