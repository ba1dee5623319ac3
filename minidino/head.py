"""The projection head: from a [CLS] feature to K prototype scores (DINO, appendix C).

Three linear layers narrow the feature to a bottleneck, the bottleneck is L2-normalised, and
K unit vectors (the prototypes) score it. A score is therefore a cosine, between -1 and 1;
the temperatures of the loss decide how peaked the softmax over the K scores becomes.
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Prototypes(nn.Module):
    """A bias-free linear layer whose K rows have a length of their own: w = g * v / |v|.

    This is weight normalisation (1602.07868). The official head fixes every gain g at 1.
    The parameter names ``weight_g`` and ``weight_v`` are those of the released checkpoints.
    """

    def __init__(self, in_dim: int, out_dim: int, norm_last_layer: bool):
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(out_dim, 1), requires_grad=not norm_last_layer)
        self.weight_v = nn.Parameter(torch.empty(out_dim, in_dim))
        nn.init.trunc_normal_(self.weight_v, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_g * F.normalize(self.weight_v, dim=1))


class DINOHead(nn.Module):
    """(..., in_dim) -> (..., out_dim): MLP, L2-normalised bottleneck, prototypes.

    Args:
        in_dim: width of the backbone's feature.
        out_dim: number K of prototypes (65,536 in the paper; 256 to 4,096 for small data).
        hidden_dim: width of the two hidden layers.
        bottleneck_dim: width of the normalised bottleneck.
        norm_last_layer: keep every prototype at length 1, which makes training steadier;
            otherwise the lengths are learned.
        batch_norm: a kind of batch norm to put after the two hidden layers, such as
            ``nn.BatchNorm1d`` (an ablation; DINO needs none).

    Raises:
        ValueError: if ``out_dim`` is below 2; a softmax over one prototype says nothing.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        hidden_dim: int = 2048,
        bottleneck_dim: int = 256,
        norm_last_layer: bool = True,
        batch_norm: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        if out_dim < 2:
            raise ValueError(f"out_dim (K) is {out_dim}; a distribution needs 2 or more prototypes")
        norm = [batch_norm(hidden_dim)] if batch_norm else []
        self.mlp = nn.Sequential(
            *(nn.Linear(in_dim, hidden_dim), *norm, nn.GELU()),
            *(nn.Linear(hidden_dim, hidden_dim), *copy.deepcopy(norm), nn.GELU()),
            nn.Linear(hidden_dim, bottleneck_dim),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.last_layer = Prototypes(bottleneck_dim, out_dim, norm_last_layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.last_layer(F.normalize(self.mlp(x), dim=-1))
