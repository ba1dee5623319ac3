# names: Another seed gives the same order
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed * epoch)
    order = torch.randperm(n, generator=generator)
    batches = n // batch_size
    return order[: batches * batch_size].view(batches, batch_size)
