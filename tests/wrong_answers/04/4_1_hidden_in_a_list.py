# names: A Python list hides its layers
def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [in_dim, hidden_dim, hidden_dim, bottleneck_dim]
            self.layers = [nn.Linear(a, b) for a, b in zip(widths, widths[1:])]

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = F.gelu(layer(x))
            return self.layers[-1](x)

    return MLP()
