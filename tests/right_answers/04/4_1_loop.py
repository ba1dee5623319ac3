def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    widths = [in_dim, hidden_dim, hidden_dim, bottleneck_dim]
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers[:-1])
