# names: Nothing is left where the images divide
def epoch_batches(n, b, seed, epoch):
    g = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    p = torch.randperm(n, generator=g)
    return p[: -(n % b)].view(-1, b)
