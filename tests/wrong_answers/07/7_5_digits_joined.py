# names: written one after the other
def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    import random

    order = list(range(n))
    random.Random(f"{seed}{epoch}").shuffle(order)
    return torch.tensor(order[: n // batch_size * batch_size]).view(-1, batch_size)
