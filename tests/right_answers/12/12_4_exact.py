def step_flops(config):
    """The patch projection's backward pass is one product: images need no gradient."""
    d, n_blocks = config.embed_dim, config.depth

    def products(size):
        grid = size // config.patch_size
        yield grid**2, 3 * config.patch_size**2, d, 2  # of the images no gradient
        tokens = 1 + grid**2
        for block in range(n_blocks):
            rows, queries = (tokens, tokens) if block < n_blocks - 1 else (1, config.num_heads)
            yield rows, d, 3 * d, 3
            yield queries, d, tokens, 3
            yield queries, tokens, d, 3
            yield rows, d, d, 3
            yield rows, d, 4 * d, 3
            yield rows, 4 * d, d, 3
        widths = (d, config.hidden_dim, config.hidden_dim, config.bottleneck_dim, config.out_dim)
        for a, b in zip(widths[:-1], widths[1:], strict=True):
            yield 1, a, b, 3

    student = teacher = 0
    for views, size in ((2, config.global_size), (config.n_local, config.local_size)):
        student += views * sum(2 * m * k * n * times for m, k, n, times in products(size))
    teacher = 2 * sum(2 * m * k * n for m, k, n, _ in products(config.global_size))
    return student + teacher
