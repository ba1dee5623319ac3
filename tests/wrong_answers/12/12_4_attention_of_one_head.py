# names: The attention's products are those of one
def step_flops(config: TrainConfig) -> int:
    d, p = config.embed_dim, config.patch_size

    def forward(size: int) -> int:  # multiply-adds for one view
        patches = (size // p) ** 2
        n = patches + 1
        projection = patches * 3 * p * p * d
        block = n * d * (3 * d + d + 2 * 4 * d) + 2 * n * n * d // config.num_heads
        last = d * (3 * d + d + 2 * 4 * d) + 2 * config.num_heads * n * d  # [CLS] alone
        hidden, bottleneck = config.hidden_dim, config.bottleneck_dim
        head = d * hidden + hidden * hidden + hidden * bottleneck + bottleneck * config.out_dim
        return projection + (config.depth - 1) * block + last + head

    of_globals = 2 * forward(config.global_size)
    of_locals = config.n_local * forward(config.local_size)
    return 2 * (3 * (of_globals + of_locals) + of_globals)
