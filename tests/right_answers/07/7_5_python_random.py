def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    import random

    order = list(range(n))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    return torch.tensor(order).unfold(0, batch_size, batch_size)
