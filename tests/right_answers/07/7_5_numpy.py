def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    import numpy as np

    order = np.random.default_rng([seed, epoch]).permutation(n)
    return torch.from_numpy(order[: n - n % batch_size].reshape(-1, batch_size))
