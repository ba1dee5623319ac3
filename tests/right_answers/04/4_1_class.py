def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(in_dim, hidden_dim)
            self.second = nn.Linear(hidden_dim, hidden_dim)
            self.last = nn.Linear(hidden_dim, bottleneck_dim)

        def forward(self, x):
            return self.last(F.gelu(self.second(F.gelu(self.first(x)))))

    return MLP()
