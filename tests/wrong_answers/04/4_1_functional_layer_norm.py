# names: There is a LayerNorm before each GELU
def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(in_dim, hidden_dim)
            self.b = nn.Linear(hidden_dim, hidden_dim)
            self.c = nn.Linear(hidden_dim, bottleneck_dim)

        def forward(self, x):
            for layer in (self.a, self.b):
                x = layer(x)
                x = F.gelu(F.layer_norm(x, x.shape[-1:]))
            return self.c(x)

    return MLP()
