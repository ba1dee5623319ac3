# names: depends on the global random state
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    import numpy as np

    order = torch.from_numpy(np.random.permutation(n))
    return order[: n // batch_size * batch_size].view(-1, batch_size)
