# names: or torch.stack the batches
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    order = torch.randperm(n, generator=generator)
    return list(order.split(batch_size))[: n // batch_size]
