# names: The patch projection counts once
def step_flops(config):
    d, p = config.embed_dim, config.patch_size

    def forward(size, times):
        patches = (size // p) ** 2
        n = patches + 1
        block = 12 * n * d * d + 2 * n * n * d
        last = 12 * d * d + 2 * config.num_heads * n * d
        hidden, bottleneck = config.hidden_dim, config.bottleneck_dim
        head = d * hidden + hidden * hidden + hidden * bottleneck + bottleneck * config.out_dim
        return patches * 3 * p * p * d + times * ((config.depth - 1) * block + last + head)

    student = 2 * forward(config.global_size, 3) + config.n_local * forward(config.local_size, 3)
    return 2 * (student + 2 * forward(config.global_size, 1))
