# names: The teacher is missing
def step_flops(config):
    d, p = config.embed_dim, config.patch_size

    def student(size):
        patches = (size // p) ** 2
        n = patches + 1
        block = 12 * n * d * d + 2 * n * n * d
        last = 12 * d * d + 2 * config.num_heads * n * d
        hidden, bottleneck = config.hidden_dim, config.bottleneck_dim
        head = d * hidden + hidden * hidden + hidden * bottleneck + bottleneck * config.out_dim
        return 2 * patches * 3 * p * p * d + 3 * ((config.depth - 1) * block + last + head)

    return 2 * (2 * student(config.global_size) + config.n_local * student(config.local_size))
