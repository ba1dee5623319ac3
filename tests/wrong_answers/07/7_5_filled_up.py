# names: There is a batch too many
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    order = torch.randperm(n, generator=generator)
    return torch.cat([order, order[: -n % batch_size]]).view(-1, batch_size)
