def step_flops(config):
    d, layers = config.embed_dim, []  # (rows, in, out) of every product
    for views, size, times in (
        (2, config.global_size, 4),
        (config.n_local, config.local_size, 3),
    ):
        patches = (size // config.patch_size) ** 2
        n, count = patches + 1, views * times
        layers.append((count * patches, 3 * config.patch_size**2, d))
        for block in range(config.depth):
            last = block == config.depth - 1
            asked = 1 if last else n  # whose results are read
            layers += [(count * asked, d, width) for width in (d, d, d, d, 4 * d, 4 * d)]
            rows = config.num_heads if last else n
            layers += [(count * rows, d, n), (count * rows, n, d)]
        widths = [d, config.hidden_dim, config.hidden_dim, config.bottleneck_dim, config.out_dim]
        layers += [(count, a, b) for a, b in zip(widths, widths[1:], strict=False)]
    return sum(2 * m * k * n for m, k, n in layers)
