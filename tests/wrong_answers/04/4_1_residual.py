# names: skipped over by a residual connection
def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(in_dim, hidden_dim)
            self.b = nn.Linear(hidden_dim, hidden_dim)
            self.c = nn.Linear(hidden_dim, bottleneck_dim)

        def forward(self, x):
            x = F.gelu(self.a(x))
            return self.c(x + F.gelu(self.b(x)))

    return MLP()
