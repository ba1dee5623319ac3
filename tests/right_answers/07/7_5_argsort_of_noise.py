def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator()
    generator.manual_seed(seed_of(seed, "batches", epoch))
    order = torch.rand(n, generator=generator, dtype=torch.float64).argsort()
    return torch.stack(order.split(batch_size)[: n // batch_size])
