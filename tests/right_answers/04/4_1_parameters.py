def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.w1 = nn.Parameter(0.02 * torch.randn(in_dim, hidden_dim))
            self.b1 = nn.Parameter(torch.zeros(hidden_dim))
            self.w2 = nn.Parameter(0.02 * torch.randn(hidden_dim, hidden_dim))
            self.b2 = nn.Parameter(torch.zeros(hidden_dim))
            self.w3 = nn.Parameter(0.02 * torch.randn(hidden_dim, bottleneck_dim))
            self.b3 = nn.Parameter(torch.zeros(bottleneck_dim))

        def forward(self, x):
            x = F.gelu(x @ self.w1 + self.b1)
            x = F.gelu(x @ self.w2 + self.b2)
            return x @ self.w3 + self.b3

    return MLP()
