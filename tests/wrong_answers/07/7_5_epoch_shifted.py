# names: reads the lower 32 bits of a seed only
def epoch_batches(n, b, seed, epoch):
    g = torch.Generator().manual_seed((epoch << 32) + seed)
    return torch.randperm(n, generator=g)[: n // b * b].view(-1, b)
