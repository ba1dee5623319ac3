class Block(nn.Module):
    def __init__(self, dim: int, num_heads: int, mlp_ratio: float = 4.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = F.layer_norm(x, x.shape[-1:], self.norm1.weight, self.norm1.bias, eps=1e-6)
        h = torch.add(x, self.attn(n))
        n = F.layer_norm(h, x.shape[-1:], self.norm2.weight, self.norm2.bias, eps=1e-6)
        n = self.mlp.fc2(F.gelu(self.mlp.fc1(n)))
        return n.add_(h)
