# names: You seed the global random state
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    torch.manual_seed(seed_of(seed, "order", epoch))
    return torch.randperm(n)[: n // batch_size * batch_size].view(-1, batch_size)
