"""Processes that read pictures for a training: what is made of one that dies or hangs."""

import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from minidino.errors import UserError

POLL = 5  # seconds between two looks at whether the workers are still alive
PATIENCE = 120  # seconds that a batch may take
SHARED = Path("/dev/shm")  # where Linux keeps what processes share; a container's has 64 MiB
LITTLE = 4 * 2**20  # bytes


def leave_the_group(worker: int) -> None:
    """Ctrl-C goes to a whole group of processes, and is the main process's to answer."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()


def begin(loader: DataLoader) -> tuple[Iterator[Any], list[BaseProcess]]:
    """``iter(loader)``, which starts the workers, and these; without its way of noticing deaths.

    The loader has a worker's death raise an error at once, be it in the middle of a step or of a
    save. It is noticed soon enough when the next batch is waited for.
    """
    before = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
    if (getattr(before, "__module__", None) or "").startswith("torch.utils.data."):
        before = signal.SIG_DFL  # it stayed from another loader, which also looks by itself
    others = active_children()
    batches = iter(loader)
    mine = [process for process in active_children() if process not in others]
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, before)
    return batches, mine


def shared_memory_is_full(error: str = "") -> bool:
    """Is there no room where processes share tensors, or does an error tell that there was none?"""
    if re.search("Bus error|shared memory|No space left", error):
        return True
    return SHARED.is_dir() and shutil.disk_usage(SHARED).free < LITTLE


def patiently(batches: Iterator[Any]) -> Iterator[Any]:
    """A DataLoader's batches; what it says of a worker that died or hangs, in words.

    Args:
        batches: its iterator, with a timeout of ``POLL`` if it has workers.

    Raises:
        UserError: if a worker has died, or no batch has come for ``PATIENCE``.
    """
    waited = 0
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
            # All but the first: it died while a batch was being fetched from it.
            loaders = isinstance(error, RuntimeError)
            if loaders and not str(error).startswith("DataLoader"):
                raise
            waited += POLL
            dead = not loaders or "timed out" not in str(error)
            if (dead or waited >= PATIENCE) and shared_memory_is_full(str(error)):
                trouble = f"{SHARED}, where processes hand over pictures, is full"
                remedy = "enlarge it (docker run --shm-size=8g), or add --workers 0"
            elif dead:
                trouble = "a process that reads pictures was killed, perhaps for want of memory"
                remedy = "close other programs or lower --image-size"
            elif waited >= PATIENCE:
                trouble = f"no batch of pictures could be read in {waited} seconds"
                remedy = "see whether the disk or network they are on still answers"
            else:
                continue
            raise UserError(
                f"{trouble}; {remedy}. What was saved is kept: train goes on with --resume, embed "
                "by the same command"
            ) from None
        waited = 0
        yield batch
