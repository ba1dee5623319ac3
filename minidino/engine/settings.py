"""How a step is computed: side by side, compiled, in parts, with activations kept or not.

These choices trade time for memory. None decides the outcome of a training, up to rounding,
so they are no part of ``TrainConfig``: a run may be resumed with others, on another machine.
(Drop path alone differs where networks are compiled: they draw on the device, a part at a time.)
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

import torch

from minidino.engine import distributed
from minidino.errors import UserError

# Side by side, Python prepares each part's operations in turn: many threads would wait for that,
# and so would threads with few images.
MOST_THREADS, FEWEST_IMAGES = 4, 8
# A CPU is fastest with activations that stay near it: from 32 MiB on the C library gives memory
# back as soon as it is free, and each of its pages is cleared anew when it is wanted again.
LARGEST_ACTIVATION = 8 * 2**20  # bytes
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


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
    precision: Literal["bf16", "fp16", "fp32"] | None = None
    """Of the products in a step; the weights stay fp32. By default bf16 on a GPU that computes it,
    fp16 on an older one, fp32 elsewhere."""
    workers: int | None = None
    """Processes that decode a folder too large for memory; 0 for none. By default one a core, up
    to 16."""

    def __post_init__(self):
        """Raises UserError for what is too few."""
        for name, least in (("accumulate", 1), ("data_parallel", 1), ("workers", 0)):
            if (n := getattr(self, name)) is not None and n < least:
                raise UserError(f"{name} is {n}; it must be at least {least}")

    @classmethod
    def of(cls, device: torch.device | str) -> "Engine":
        """What a device is used with by default; compiling across processes is not tried."""
        if distributed.launched() > 1:
            return cls()
        if str(device).startswith("cuda"):
            return cls(compile=True)
        if str(device) == "cpu":
            return cls(data_parallel=min(torch.get_num_threads(), MOST_THREADS))
        return cls()

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

    def dtype(self, device: torch.device) -> torch.dtype:
        """What products are computed in on a device."""
        if self.precision is not None:
            return PRECISIONS[self.precision]
        if device.type != "cuda":
            return torch.float32
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16

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

    def in_one_piece(self) -> "Engine":
        """For a loss or a network that compares the images of a batch with each other.

        Raises:
            UserError: if parts were asked for: they would be compared among themselves only.
        """
        if self.accumulate > 1:
            raise UserError(
                f"--accumulate {self.accumulate} takes a batch in parts, and this objective or "
                "network compares all its images with each other; use a smaller --batch-size"
            )
        return replace(self, data_parallel=1)

    def check_batch(self, batch_size: int) -> None:
        """Raises UserError if a batch does not divide into the parts asked for."""
        n = self.accumulate
        if batch_size % n:
            raise UserError(
                f"a batch of {batch_size} does not divide into {n} equal parts; "
                f"try --batch-size {max(1, batch_size // n) * n}"
            )
