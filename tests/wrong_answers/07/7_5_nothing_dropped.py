# names: Keep only the first n // batch_size * batch_size = 20
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    order = torch.randperm(n, generator=generator)
    return order.view(-1, batch_size)
