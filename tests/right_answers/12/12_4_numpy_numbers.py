import numpy as np


def step_flops(config):
    d, p, h = (np.int64(x) for x in (config.embed_dim, config.patch_size, config.hidden_dim))
    views = np.array([2, config.n_local])
    patches = (np.array([config.global_size, config.local_size]) // p) ** 2
    n = patches + 1
    per_view = patches * 3 * p**2 * d + (config.depth - 1) * (12 * n * d**2 + 2 * n**2 * d)
    per_view += 12 * d**2 + 2 * config.num_heads * n * d
    per_view += d * h + h * h + config.bottleneck_dim * (h + config.out_dim)
    times = np.array([4, 3])
    return (2 * times * views * per_view).sum()
