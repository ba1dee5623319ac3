# names: The second layer runs twice
def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    hidden = [nn.Linear(hidden_dim, hidden_dim), nn.GELU()] * 2
    return nn.Sequential(
        nn.Linear(in_dim, hidden_dim), nn.GELU(), *hidden, nn.Linear(hidden_dim, bottleneck_dim)
    )
