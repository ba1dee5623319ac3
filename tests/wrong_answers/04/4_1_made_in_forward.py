# names: made anew in each call
def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    class MLP(nn.Module):
        def forward(self, x):
            x = F.gelu(nn.Linear(in_dim, hidden_dim)(x))
            x = F.gelu(nn.Linear(hidden_dim, hidden_dim)(x))
            return nn.Linear(hidden_dim, bottleneck_dim)(x)

    return MLP()
