"""What PyTorch is asked to do while an answer runs, and how many numbers it makes."""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Operations(TorchDispatchMode):
    """What PyTorch is asked to do inside a ``with``: how often, and how many numbers it makes.

    ``biggest`` is the tensor of most numbers, these are ``largest``; ``most`` is of all tensors
    made and alive at a time; ``types`` are those that numbers were made in.
    """

    def __init__(self):
        super().__init__()
        self.largest, self.alive, self.most, self.names = 0, 0, 0, []
        self.biggest: Tensor | None = None
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        made = op(*args, **(kwargs or {}))
        self.names.append(op.overloadpacket.__name__)
        given = {id(t.untyped_storage()) for t in _tensors((args, kwargs))}
        for x in _tensors(made):
            self.types.add(x.dtype)
            if not x._is_view() and x.numel() > self.largest:
                self.largest, self.biggest = x.numel(), x.detach().clone()
            storage = x.untyped_storage()
            if id(storage) not in given:  # neither a view nor a result in place
                numbers = storage.nbytes() // x.element_size()
                self.alive += numbers
                weakref.finalize(storage, self._freed, numbers)
                given.add(id(storage))
        self.most = max(self.most, self.alive)
        return made

    def _freed(self, numbers: int) -> None:
        self.alive -= numbers


def _tensors(values: Any) -> list[Tensor]:
    return [x for x in tree_leaves(values) if isinstance(x, Tensor)]
