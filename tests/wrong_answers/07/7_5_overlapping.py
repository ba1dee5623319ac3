# names: so they overlap
def epoch_batches(n, batch_size, seed, epoch):
    g = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    o = torch.randperm(n, generator=g)
    return torch.stack([o[i : i + batch_size] for i in range(n // batch_size)])
