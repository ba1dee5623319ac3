"""How a step is computed: side by side, compiled, in parts, with activations kept or not.

These choices trade time for memory. None decides the outcome of a training, up to rounding,
so they are no part of ``TrainConfig``: a run may be resumed with others, on another machine.
(Drop path alone differs where networks are compiled: they draw on the device, a part at a time.)
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from tqdm import tqdm

from minidino import distributed
from minidino.errors import UserError

# A network with fewer parameters is so quick on a GPU that starting its kernels is what takes
# the time; a CUDA graph starts them all at once. ViT-Ti with its head has 12 million.
CUDA_GRAPH_PARAMETERS = 15_000_000
# Side by side, Python prepares each part's operations in turn: many threads would wait for that,
# and so would threads with few images.
MOST_THREADS, FEWEST_IMAGES = 4, 8
# A CPU is fastest with activations that stay near it: from 32 MiB on the C library gives memory
# back as soon as it is free, and each of its pages is cleared anew when it is wanted again.
LARGEST_ACTIVATION = 8 * 2**20  # bytes


@dataclass(frozen=True)
class Engine:
    """Trades of time for memory that leave the outcome as it is, up to rounding."""

    compile: bool = False
    """torch.compile the networks and the loss; without it if that fails. By default on CUDA."""
    accumulate: int = 1
    """Take a batch's gradients in so many parts, for cards that do not hold it whole. A CPU takes
    it in more where that is faster."""
    checkpoint_activations: bool = False
    """Keep one activation per block and compute the others again in the backward pass."""
    data_parallel: int = 1
    """On a CPU, up to so many threads, each with a part of the batch and of the cores; fewer where
    these do not divide. By default one a core, up to 4."""

    def __post_init__(self):
        """Raises UserError if there is no such number of parts."""
        for name in ("accumulate", "data_parallel"):
            if (parts := getattr(self, name)) < 1:
                raise UserError(f"{name} is {parts}; it must be at least 1")

    @classmethod
    def of(cls, device: torch.device | str) -> "Engine":
        """What a device is used with by default; compiling across processes is not tried."""
        if distributed.launched() > 1:
            return cls()
        if str(device).startswith("cuda"):
            return cls(compile=True)
        return cls(data_parallel=min(torch.get_num_threads(), MOST_THREADS))

    def flags(self, device: torch.device) -> list[str]:
        """The options that ask for this engine on that device."""
        usual, flags = Engine.of(device), []
        for f in fields(self):
            name, value = f.name.replace("_", "-"), getattr(self, f.name)
            if value != getattr(usual, f.name):
                is_switch = isinstance(value, bool)
                flags += [f"--{'no-' * (is_switch and not value)}{name}"]
                flags += [] if is_switch else [str(value)]
        return flags

    def threads(self, batch_size: int, device: torch.device) -> int:
        """How many threads share a batch: as many as are asked for, with equal parts and cores.

        Processes that train together share the cores already. A compiled function serves one
        thread, and so does PyTorch's own generator, from which recomputed blocks draw again.
        """
        alone = self.compile or self.checkpoint_activations or distributed.world_size() > 1
        if alone or device.type != "cpu":
            return 1
        most, cores = min(self.data_parallel, batch_size // FEWEST_IMAGES), torch.get_num_threads()
        for n in range(most, 1, -1):
            if batch_size % (n * self.accumulate) == 0 and (cores % n == 0 or cores < n):
                return n
        return 1

    def pieces(self, n_images: int, device: torch.device, image: int) -> int:
        """In how many parts each thread takes its share of so many images, one after another.

        ``accumulate``, and on a CPU as many more as it needs for each activation to be small.

        Args:
            image: bytes of one image's largest activation, ``memory.widest_activation``.
        """
        pieces, share = self.accumulate, n_images // self.threads(n_images, device)
        if device.type == "cpu":
            for n in range(pieces + 1, share // FEWEST_IMAGES + 1):
                if share // pieces * image <= LARGEST_ACTIVATION:
                    break
                if share % n == 0:
                    pieces = n
        return pieces

    def check_batch(self, batch_size: int) -> None:
        """Raises UserError if a batch does not divide into the parts asked for."""
        n = self.accumulate
        if batch_size % n:
            raise UserError(
                f"a batch of {batch_size} does not divide into {n} equal parts; "
                f"try --batch-size {max(1, batch_size // n) * n}"
            )


def split_images(views: tuple[Tensor, ...], parts: int, n_images: int) -> list[tuple[Tensor, ...]]:
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


class Compiled:
    """A function that torch.compile speeds up where it can, and that works where it cannot.

    Shapes are the same at every step, so they are compiled as constants. Small networks run
    as CUDA graphs, recorded by torch.compile: it follows the weights' addresses and the random
    numbers, and goes without where a graph cannot be. A graph writes each step's gradients in
    the same place, which would overwrite those that ``accumulate`` has to add up.
    """

    def __init__(self, function: Callable, engine: Engine, n_parameters: int):
        self.plain = self.function = function
        if engine.compile:
            graphs = engine.accumulate == 1 and n_parameters < CUDA_GRAPH_PARAMETERS
            # fallback_random: drop path draws what it draws without compiling.
            options = {"fallback_random": True, "triton.cudagraphs": graphs}
            self.function = torch.compile(function, dynamic=False, options=options)

    def __call__(self, *args) -> Any:
        return self.function(*args)

    def attempt(self, work: Callable, *args) -> Any:
        """``work(*args)``, which calls this function; again, plainly, if compiling fails.

        Compiling happens at the first call, and for the gradients at the first backward pass:
        ``work`` holds both and begins anew when it is called again.
        """
        try:
            return work(*args)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a compiler may raise anything
            if self.function is self.plain:
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            tqdm.write(f"torch.compile failed, training goes on without it: {reason}")
            self.function = self.plain
            return work(*args)
