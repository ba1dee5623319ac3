# names: 1000 * seed + epoch
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed * 1000 + epoch)
    order = torch.randperm(n, generator=generator)
    return order[: n // batch_size * batch_size].view(-1, batch_size)
