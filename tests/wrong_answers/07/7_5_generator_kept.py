# names: something goes on from call to call
GENERATOR = torch.Generator().manual_seed(0)


def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    order = torch.randperm(n, generator=GENERATOR)
    return order[: n // batch_size * batch_size].view(-1, batch_size)
