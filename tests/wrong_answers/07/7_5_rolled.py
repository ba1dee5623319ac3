# names: shifted or turned round
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(n, generator=generator).roll(epoch)
    return order[: n // batch_size * batch_size].view(-1, batch_size)
