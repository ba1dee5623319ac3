"""A small network that several checks of notebook 05 average and copy."""

import torch
from torch import nn


def small_network() -> nn.Module:
    """Parameters, and buffers of both kinds: running statistics and a counter."""
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    network(torch.randn(16, 3) + 2)
    return network
