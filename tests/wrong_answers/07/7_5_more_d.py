# names: have one order
def epoch_batches(n, batch_size, seed, epoch):
    g = torch.Generator().manual_seed(seed_of(seed, "order", epoch % 10))
    o = torch.randperm(n, generator=g)
    return o[: n // batch_size * batch_size].view(-1, batch_size)
