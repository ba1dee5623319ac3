"""Cosines and the votes of the nearest, computed apart, for several checks of notebook 08."""

import torch
from torch import Tensor


def unit(x: Tensor, dim: int = 1) -> Tensor:
    return x.double() / x.double().norm(dim=dim, keepdim=True)


def similarities(queries: Tensor, bank: Tensor) -> Tensor:
    return unit(queries) @ unit(bank).T


def class_votes(near: Tensor, labels: Tensor, k: int, weight=lambda s: s, order=None) -> Tensor:
    """(M, C) sums of weight(near), class by class, over the k largest of ``order`` (near)."""
    order = near if order is None else order  # (M, N) both
    kth = order.sort(dim=1, descending=True).values[:, : min(k, len(labels))][:, -1:]
    weights = torch.where(order >= kth, weight(near), 0.0)
    return torch.stack(
        [weights[:, labels == c].sum(dim=1) for c in range(int(labels.max()) + 1)], dim=1
    )
