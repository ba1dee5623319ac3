# names: The same images meet in a batch in every epoch
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    once = torch.Generator().manual_seed(seed)
    batches = torch.randperm(n, generator=once)[: n // batch_size * batch_size].view(-1, batch_size)
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    return batches[torch.randperm(len(batches), generator=generator)]
