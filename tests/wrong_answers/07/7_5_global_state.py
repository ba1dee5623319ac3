# names: depends on the global random state
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    order = torch.randperm(n)
    batches = n // batch_size
    return order[: batches * batch_size].view(batches, batch_size)
