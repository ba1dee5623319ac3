"""What this machine has: devices and memory, and a word for whoever has too little of it."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from minidino.engine import distributed
from minidino.errors import UserError

T = TypeVar("T")

# How it is said by the allocators of CPUs and of Apple's GPUs, by CUDA, cuBLAS and cuDNN.
OUT_OF_MEMORY = r"(?s)out of memory|DefaultCPUAllocator.*allocate|STATUS\w*_ALLOC\w*_FAILED"


def usual_device() -> str:
    """The fastest kind of device here: ``cuda``, else Apple's ``mps``, else ``cpu``."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pick_device(name: str | None = None) -> torch.device:
    """The device asked for, or the fastest kind that is here.

    Raises:
        UserError: if it is not there, or its memory is taken.
    """
    name = usual_device() if name is None else name
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # "meta" is a device that keeps no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        if out_of_memory(error):
            raise UserError(
                f'the memory of device "{name}" is taken; end what uses it, or try --device cpu'
            ) from None
        raise UserError(f'no device "{name}" on this machine; try --device cpu') from None
    return distributed.own_device(device)


def installed_ram() -> int:
    """Bytes of this machine."""
    return psutil.virtual_memory().total


def available_ram() -> int:
    """Bytes that this process may still take: of the machine, and of its container."""
    free = psutil.virtual_memory().available
    try:
        limit, used = (
            Path("/sys/fs/cgroup", name).read_text(encoding="utf-8")
            for name in ("memory.max", "memory.current")
        )
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return free


def out_of_memory(error: Exception) -> bool:
    """Was there too little memory? Not all who need some say so by the exception's type."""
    return isinstance(error, torch.OutOfMemoryError) or bool(re.search(OUT_OF_MEMORY, str(error)))


def advised(function: Callable[..., T]) -> Callable[..., T]:
    """The same function; running out of memory becomes a ``UserError`` that says what to do."""

    @functools.wraps(function)
    def run(*args, **kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            asked = re.search(r"allocate ([\d.]+ ?\w+)", str(error))
            size = f" ({asked.group(1)} more were needed)" if asked else ""
        raise UserError(
            f"out of memory{size}; the last checkpoint is kept. Try --accumulate 2, which takes "
            "the same batch in two parts, --checkpoint-activations, or a smaller batch"
        )

    return run
