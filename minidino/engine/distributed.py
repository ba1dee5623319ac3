"""Many processes that train one network, each on its share of every batch.

``torchrun`` starts the processes and tells each its place in the environment; ``join`` reads
it. A process computes the gradient of its own images, PyTorch's DistributedDataParallel
averages the gradients, and so every process takes the very same step. Started alone, a process
finds everything here to be the identity: nothing is sent, no group exists.

Two kinds of traffic. Tensors of the training go where they lie: NCCL between GPUs, gloo between
CPUs. What the hosts must agree on (stop now? how many epochs?) always goes by gloo, so that no
GPU is waited for, and so that a process that has died is noticed at the next step: gloo sees a
closed connection at once, where NCCL would wait.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

from minidino.errors import UserError

T = TypeVar("T")

# What env:// reads; torchrun sets them, and LOCAL_RANK and LOCAL_WORLD_SIZE.
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# A process that died is noticed at once; this is for machines that went silent.
TIMEOUT = timedelta(minutes=10)


class ProcessLost(UserError):
    """Another process of the run has ended, so this one cannot go on."""


# ---------------------------------------------------------------- who am I


def world_size() -> int:
    """How many processes train together; 1 before ``join``, and without a launcher."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def is_main() -> bool:
    """Is this the process that writes files, shows the bar and reports?"""
    return rank() == 0


def launched() -> int:
    """How many processes a launcher has started, by its environment variables; 1 without one."""
    there = dist.is_available() and all(v in os.environ for v in VARIABLES)
    return int(os.environ["WORLD_SIZE"]) if there else 1


def local_rank() -> int:
    """The number of this process among those of its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", 0)) if launched() > 1 else 0


def local_world_size() -> int:
    """How many processes share this machine's cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if launched() > 1 else 1


def own_device(device: torch.device) -> torch.device:
    """This process's own device of the kind asked for: each has a GPU to itself.

    Raises:
        UserError: for a numbered GPU, more processes than GPUs, or what is neither CPU nor CUDA.
    """
    n = world_size()
    if n == 1 or device.type == "cpu":
        return device
    if device.type != "cuda":
        raise UserError(f"{n} processes train on cpu or cuda, not on {device.type}")
    if device.index is not None:
        raise UserError(f"{device} is one GPU for {n} processes; --device cuda gives each its own")
    gpus = torch.cuda.device_count()
    if local_rank() >= gpus:
        raise UserError(
            f"{local_world_size()} processes on a machine with {gpus} GPU{'s' * (gpus != 1)}; "
            f"start it with --nproc_per_node={gpus}, or add --device cpu"
        )
    return torch.device("cuda", local_rank())


# ---------------------------------------------------------------- beginning and ending


def join() -> None:
    """Meet the other processes, if a launcher started any.

    The group lasts until the process ends: it cannot be made a second time.

    Raises:
        UserError: if they are not found.
    """
    if launched() == 1 or dist.is_initialized():
        return
    cuda = torch.cuda.is_available()
    if cuda and local_rank() < torch.cuda.device_count():
        torch.cuda.set_device(local_rank())  # "cuda" now means this one
    try:
        backend = "cpu:gloo,cuda:nccl" if cuda and dist.is_nccl_available() else "gloo"
        dist.init_process_group(backend, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"process {os.environ['RANK']} of {launched()} did not find the others at "
            f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']} ({_first_line(error)})"
        ) from None


def together(function: Callable[..., T]) -> Callable[..., T]:
    """Run a function in all processes at once; what stops one of them stops all.

    Whichever process fails first tells why. The others lose their connection to it and raise
    ``ProcessLost``, which ``may_speak`` keeps silent.
    """

    @functools.wraps(function)
    def run(*args, **kwargs) -> T:
        join()
        try:
            return function(*args, **kwargs)
        except UserError:
            raise
        except RuntimeError as error:
            if world_size() > 1 and _is_broken_connection(error):
                raise ProcessLost(
                    f"a process of the {world_size()} has ended or went silent, so all stop; the "
                    f"last checkpoint is kept, go on with --resume ({_first_line(error)})"
                ) from None
            may_speak()  # its traceback is the one message
            raise
        except BaseException:
            may_speak()
            raise

    return run


def may_speak() -> bool:
    """May this process print why the run ended? True in one of them, the first that asked."""
    if world_size() == 1:
        return local_rank() == 0  # before they met: once a machine
    try:
        spoke = _store().compare_set("minidino/spoken", "", str(rank()))
        return spoke.decode() == str(rank())
    except RuntimeError:  # it went down with the first machine
        return local_rank() == 0


def leave(code: int) -> None:
    """End this process with an exit code; leave the group first if all went well."""
    stopped = code > 128  # by a signal
    if stopped or (code and world_size() > 1):
        # A tidy end waits for threads in the midst of a step and for processes that read pictures,
        # or for ever for what a dead process should have sent.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # whoever read it has gone
                stream.flush()
        os._exit(code)
    if world_size() > 1:
        dist.destroy_process_group()
    sys.exit(code)


def _store() -> dist.Store:
    return dist.distributed_c10d._get_default_store()


def _is_broken_connection(error: RuntimeError) -> bool:
    """gloo raises a bare RuntimeError that names its own source file."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def _first_line(error: Exception) -> str:
    """What a library says, without the source file before it and the advice after it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.split("] ", 1)[-1].split(". ")[0] if line.startswith("[") else line


# ---------------------------------------------------------------- shares of the work


def share(index: Tensor) -> Tensor:
    """This process's part of a batch's indices; the parts are equal and do not overlap."""
    per_process = len(index) // world_size()
    return index[rank() * per_process : (rank() + 1) * per_process]


def check_batch(batch_size: int) -> None:
    """Raises UserError if a batch cannot be shared equally: a mean of means would be wrong."""
    n = world_size()
    if batch_size % n:
        below, above = batch_size // n * n, -(-batch_size // n) * n
        choice = f"{below} or {above}" if below else f"{above}"
        raise UserError(
            f"batch_size {batch_size} (of all processes together) does not divide by {n} "
            f"processes; try --batch-size {choice}"
        )


def replicate(module: nn.Module, device: torch.device) -> nn.Module:
    """The module, its gradients averaged over the processes in the backward pass.

    The wrapper holds the very same parameters: optimizer and checkpoints need not know of it.
    """
    if world_size() == 1:
        return module
    return nn.parallel.DistributedDataParallel(
        module,
        device_ids=[device] if device.type == "cuda" else None,
        gradient_as_bucket_view=True,
    )


def adding_up(replica: nn.Module, more: bool) -> contextlib.AbstractContextManager[None]:
    """Around forward and backward of a part of the batch: while ``more`` parts follow, gradients
    only add up here, and the last part's backward pass averages their sum over the processes.
    """
    return replica.no_sync() if more and world_size() > 1 else contextlib.nullcontext()


@contextlib.contextmanager
def one_downloads() -> Iterator[None]:
    """One process of every machine goes first; the others find its files and follow."""
    if local_rank() == 0:
        yield
    wait_for_all()
    if local_rank() != 0:
        yield


# ---------------------------------------------------------------- agreement


def largest(number: int) -> int:
    """The largest of all processes' numbers. The same answer everywhere; all must ask."""
    if world_size() == 1:
        return number
    votes = torch.tensor([number])
    dist.all_reduce(votes, dist.ReduceOp.MAX)
    return int(votes.item())


def any_of(flag: bool) -> bool:
    """Does any process say yes? The same answer everywhere; all must ask."""
    return bool(largest(int(flag)))


def wait_for_all() -> None:
    """Return when every process has come here."""
    any_of(False)


def from_main(value: T) -> T:
    """The main process's value, in all of them."""
    if world_size() == 1:
        return value
    box = [value if is_main() else None]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def check_same(**facts: Any) -> None:
    """Raises UserError, naming the process and the fact, unless all processes have the same."""
    if world_size() == 1:
        return
    expected = from_main(facts)
    for name, value in facts.items():
        if value != expected[name]:
            raise UserError(
                f"process {rank()} has {name} {value}, process 0 has {expected[name]}; all "
                f"processes need the same data and kind of device"
            )


def mean(metrics: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor averaged over the processes, in one message."""
    if world_size() == 1:
        return metrics
    flat = torch.cat([m.detach().float().flatten() for m in metrics.values()])
    dist.all_reduce(flat)
    parts = (flat / world_size()).split([m.numel() for m in metrics.values()])
    return {k: p.view(m.shape) for (k, m), p in zip(metrics.items(), parts, strict=True)}


def rows_of_all(compute: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
    """``compute(items)``, rows in order, each process computing every n-th row.

    Args:
        compute: (n, ...) -> (n, D) on the CPU, row by row.
        items: (N, ...), the same in all processes.
    """
    n = world_size()
    if n == 1:
        return compute(items)
    mine = compute(items[rank() :: n])
    rows = mine.new_zeros(len(items), *mine.shape[1:])
    rows[rank() :: n] = mine
    dist.all_reduce(rows)  # the others' rows are zero here
    return rows


def note(text: str) -> None:
    """A line for the person, printed once, above a progress bar."""
    if is_main():
        tqdm.write(text)


# ---------------------------------------------------------------- losses over all processes


class _Gather(torch.autograd.Function):
    """All processes' rows, and their gradients back to whoever computed them."""

    @staticmethod
    def forward(ctx, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient.chunk(world_size())[rank()]


def gather(rows: Tensor) -> Tensor:
    """(n, ...) of each process -> (processes * n, ...), the same in all; gradients flow.

    Every process's loss then depends on all rows. The mean of the gradients, which is what
    ``replicate`` makes, is the gradient of the mean of all processes' losses.
    """
    return rows if world_size() == 1 else _Gather.apply(rows)
