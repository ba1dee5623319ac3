# names: A prototype more (out_dim) adds 4,096 and should add 2,560
def step_flops(config: TrainConfig) -> int:
    d, p = config.embed_dim, config.patch_size

    def forward(size: int) -> int:
        patches = (size // p) ** 2
        n = patches + 1
        projection = patches * 3 * p * p * d
        block = n * d * (3 * d + d + 8 * d) + 2 * n * n * d
        last = 12 * d * d + 2 * config.num_heads * n * d
        hidden, bottleneck = config.hidden_dim, config.bottleneck_dim
        head = d * hidden + hidden * hidden + hidden * bottleneck + bottleneck * config.out_dim
        return projection + (config.depth - 1) * block + last + head

    of_globals = 2 * forward(config.global_size)
    of_locals = 8 * forward(config.local_size)
    return 2 * (3 * (of_globals + of_locals) + of_globals)
