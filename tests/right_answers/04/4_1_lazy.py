def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    return nn.Sequential(
        nn.LazyLinear(hidden_dim),
        nn.GELU(),
        nn.LazyLinear(hidden_dim),
        nn.GELU(),
        nn.LazyLinear(bottleneck_dim),
    )
