"""A batch's gradients: ``loss.backward()``, however the engine divides the work.

The batch may be taken in parts one after another, by threads side by side, by several processes,
compiled, or with activations computed twice. The gradients are those of the whole batch's mean
loss, up to rounding.
"""

import itertools
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from minidino.engine import distributed
from minidino.engine.chance import WholeBatch, part_by_part
from minidino.engine.compiled import Compiled
from minidino.engine.parallel import Replica, SideBySide, replicas, sum_gradients
from minidino.engine.settings import Engine
from minidino.errors import UserError


class Gradients:
    """Called with a batch's views, it leaves the gradients of the mean loss in the network.

    Args:
        objective: (network, temperature, *views of some images) -> their mean loss, or the terms
            that add up to it, and a tensor with rows for them that does not need gradients.
        network: what is trained, with a ``backbone``; in train mode.
        engine: how the work is divided.
        device: where the network lies.
        batch_size: images a step, of this process.
        widest: bytes of one image's largest activation.
        whole: the images of a batch are compared with each other (negatives, batch norm), so it
            is taken in one piece.

    Raises:
        UserError: if the batch does not divide into the parts that are asked for, or must not.
    """

    def __init__(
        self,
        objective: Callable[..., tuple[Tensor, Tensor]],
        network: nn.Module,
        engine: Engine,
        device: torch.device,
        batch_size: int,
        widest: int,
        whole: bool = False,
    ):
        if whole:
            engine = engine.in_one_piece()
        engine.check_batch(batch_size)
        self.network, self.engine, self.device = network, engine, device
        self.widest, self.whole = widest, whole
        self.threads = SideBySide(engine.threads(batch_size, device))
        if engine.checkpoint_activations:
            if not hasattr(network.backbone, "blocks"):
                raise UserError("--checkpoint-activations is for a ViT's blocks; leave it out")
            recompute_blocks(network.backbone.blocks)
        self.replicas = self._replicas(self.threads.n)
        self.dtype = engine.dtype(device)
        # Gradients of fp16 vanish below 6e-8: the loss is multiplied, and the gradients divided.
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        n_parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
        self.objective = Compiled(objective, engine, n_parameters)

    def _replicas(self, n: int) -> list[Replica]:
        if n > 1:
            return replicas(self.network, n)
        begin = part_by_part
        if not self.engine.compile:
            chance = WholeBatch(torch.default_generator)
            chance.attach(self.network)
            begin = chance.begin
        return [Replica(distributed.replicate(self.network, self.device), begin)]

    def __call__(
        self, views: tuple[Tensor, ...], n_images: int, temp: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        """The mean loss of ``n_images`` images and the objective's rows for them, part by part.

        Args:
            views: (V * n_images, 3, H, W) each, crop-major.
            temp: passed on to the objective; a tensor on the device, since a number would be
                compiled in, anew at every step.
            seed: of this step's drop path.
        """
        return self.objective.attempt(self._compute, views, n_images, temp, seed)

    def _compute(
        self, views: tuple[Tensor, ...], n_images: int, temp: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        kind, low = self.device.type, self.dtype != torch.float32
        # How many parts a replica takes.
        each = 1 if self.whole else self.engine.pieces(n_images, self.device, self.widest)
        parts = split_images([v for v in views if len(v)], each * len(self.replicas), n_images)
        before, of = (len(parts) * n for n in (distributed.rank(), distributed.world_size()))
        self.network.zero_grad(set_to_none=True)

        def learn(r: int) -> list[tuple[Tensor, Tensor]]:
            replica, found = self.replicas[r], []
            replica.network.zero_grad(set_to_none=True)
            for i in range(r * each, (r + 1) * each):
                replica.begin(seed, (before + i, of), n_images // len(parts))
                with distributed.adding_up(replica.network, more=i < (r + 1) * each - 1):
                    with torch.autocast(kind, self.dtype if low else None, enabled=low):
                        loss, rows = self.objective(replica.network, temp, *parts[i])
                    self.scaler.scale(loss.sum() / len(parts)).backward()
                found.append((loss.detach(), rows))
            return found

        losses, rows = zip(*itertools.chain(*self.threads.map(learn)), strict=True)
        sum_gradients(self.network, self.replicas)
        return torch.stack(losses).mean(dim=0), torch.cat(rows)


def split_images(views: list[Tensor], parts: int, n_images: int) -> list[tuple[Tensor, ...]]:
    """Views of a batch, each (V * B, ...) and crop-major -> views of each part of its images."""
    size = n_images // parts
    by_image = [v.unflatten(0, (-1, n_images)) for v in views]
    return [
        tuple(v[:, first : first + size].flatten(0, 1) for v in by_image)
        for first in range(0, n_images, size)
    ]


def recompute_blocks(blocks: nn.ModuleList) -> None:
    """Let each block forget what it computed and compute it again for its gradients (1604.06174).

    The same random numbers are drawn the second time, so drop path drops the same images.
    """
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
