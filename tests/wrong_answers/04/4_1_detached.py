# names: something is detached
def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(in_dim, hidden_dim)
            self.b = nn.Linear(hidden_dim, hidden_dim)
            self.c = nn.Linear(hidden_dim, bottleneck_dim)

        def forward(self, x):
            return self.c(F.gelu(self.b(F.gelu(self.a(x)))).detach())

    return MLP()
