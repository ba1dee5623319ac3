# names: other parameters
from minidino.head import DINOHead


def head_mlp(in_dim: int, hidden_dim: int, bottleneck_dim: int) -> nn.Module:
    return DINOHead(in_dim, 64, hidden_dim, bottleneck_dim)
