"""Chance: drop path's, decided for the whole batch however many share its work, and its seeds.

A batch may be taken in parts, by threads, by processes, or one after the other. Each draws for the
whole batch, a number an image, and keeps what is its own: the same images skip the same blocks as
if nothing had been divided. Crops are drawn in this way, too (``crops.py``).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from minidino.vit import DropPath


class WholeBatch:
    """Which images of a part of a batch keep a residual branch.

    Args:
        generator: of the CPU. What several threads draw from one comes in no order, so each needs
            its own; activations that are computed again are drawn again from PyTorch's own.
    """

    def __init__(self, generator: torch.Generator):
        self.generator = generator
        self.part, self.images = (0, 1), 0

    def attach(self, network: nn.Module) -> None:
        """Decide for every drop path in the network."""
        for module in network.modules():
            if isinstance(module, DropPath):
                module.kept = self.kept

    def begin(self, seed: int, part: tuple[int, int], images: int) -> None:
        """A forward pass comes, of the i-th (from 0) of n equal parts, with so many images."""
        self.part, self.images = part, images
        self.generator.manual_seed(seed)

    def kept(self, rows: int, keep: float) -> Tensor:
        """(rows,) of 0 and 1 for crop-major views of the part's images; 1 with that probability."""
        (i, n), images = self.part, self.images
        if images == 0 or rows % images:  # used by hand, before a step or between two
            (i, n), images = (0, 1), rows
        batch = torch.empty(rows // images, n, images)
        return batch.bernoulli_(keep, generator=self.generator)[:, i].flatten()


def part_by_part(seed: int, part: tuple[int, int], images: int) -> None:
    """In place of ``begin`` for a compiled network, which draws on its device: a seed a part."""
    torch.manual_seed(seed + part[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The CPU's chance begins at a seed in this block, and goes on after it where it was.

    ``torch.manual_seed`` would seed GPUs too, whose chance nobody puts back here.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
