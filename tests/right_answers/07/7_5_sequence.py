def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    import numpy as np

    chance = np.random.SeedSequence((seed, epoch))
    order = torch.from_numpy(np.random.default_rng(chance).permutation(n))
    return order[: n // batch_size * batch_size].view(-1, batch_size)
