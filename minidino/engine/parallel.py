"""The cores of a CPU, each with a part of the batch: data parallelism within one process.

By default PyTorch spreads every operation over all cores, and after every operation the cores
wait for each other. A small network has hundreds of short operations a step. Here a thread
computes all of them, forward and backward, for its own part of the batch, and the cores wait for
each other once a step, when the gradients are summed.
"""

import copy
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from minidino.engine.chance import WholeBatch

T = TypeVar("T")


class SideBySide:
    """n threads that work at the same time and divide the cores among them; one is no thread."""

    def __init__(self, n: int):
        self.n = n
        if n == 1:
            return
        cores, all_there = torch.get_num_threads(), threading.Barrier(n)
        self.pool = ThreadPoolExecutor(n, "minidino")

        def divide_cores(_: int) -> None:
            all_there.wait()  # so that each thread comes here once
            torch.get_num_threads()  # the first question sets a thread's default
            torch.set_num_threads(max(1, cores // n))

        try:
            self.map(divide_cores)
        except BaseException:  # not all of them could begin: those that did must not wait for ever
            all_there.abort()
            self.pool.shutdown(wait=False)
            raise
        torch.set_num_threads(cores)  # the default of threads that are yet to begin

    def map(self, work: Callable[[int], T]) -> list[T]:
        """``[work(0), ..., work(n - 1)]``, all at the same time; an error when all have ended."""
        if self.n == 1:
            return [work(0)]
        futures = [self.pool.submit(work, i) for i in range(self.n)]
        wait(futures)
        return [future.result() for future in futures]


@dataclass(frozen=True)
class Replica:
    """A network with gradients of its own, and what begins its drop path's chance (``chance.py``).

    ``begin`` takes a seed, the place of a part among equal ones, and its number of images.
    """

    network: nn.Module
    begin: Callable[[int, tuple[int, int], int], None]


def replicas(network: nn.Module, n: int) -> list[Replica]:
    """n copies that share the network's weights, for good, and nothing else."""
    made = []
    for _ in range(n):
        twin, chance = copy.deepcopy(network), WholeBatch(torch.Generator())
        for ours, theirs in zip(twin.parameters(), network.parameters(), strict=True):
            ours.data = theirs.data
        chance.attach(twin)
        made.append(Replica(twin, chance.begin))
    return made


@torch.no_grad()
def sum_gradients(network: nn.Module, replicas: Sequence[Replica]) -> None:
    """Give the network the sum of its replicas' gradients, added in the same order every time."""
    trained = [p for p in network.parameters() if p.requires_grad]
    total, *others = ([p.grad for p in r.network.parameters() if p.requires_grad] for r in replicas)
    for gradients in others:
        torch._foreach_add_(total, gradients)
    for p, gradient in zip(trained, total, strict=True):
        p.grad = gradient
