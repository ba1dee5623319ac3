"""How things are timed and weighed: in turn, medians with spread, memory in a process apart."""

import multiprocessing
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm


@dataclass
class Spread:
    """The values of several rounds, in the order they were measured."""

    values: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def middle_half(self) -> tuple[float, float]:
        """Between these lies half of the values."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    def __str__(self) -> str:
        low, high = self.middle_half
        return f"{self.median:8.1f} ({low:.1f} to {high:.1f})"


def rate(step: Callable[[], torch.Tensor], batch_size: int, seconds: float) -> float:
    """Images per second over about so many seconds, one step at least.

    The device is waited for at the end only.
    """
    began, steps, ahead = time.perf_counter(), 0, None
    while not steps or time.perf_counter() - began < seconds:
        last = step()
        steps += 1
        if ahead is not None:
            ahead.item()  # the host may run one step ahead of the device, not a thousand
        ahead = last
    last.item()
    return steps * batch_size / (time.perf_counter() - began)


def in_turn(
    steps: dict[str, Callable[[], torch.Tensor]],
    batch_size: int,
    rounds: int,
    seconds: float,
    rest: dict[str, Callable[[], None]] | None = None,
) -> dict[str, Spread]:
    """Images/s of each, once a round, so that a change of the machine's speed meets all.

    Every round has an order of its own: nobody always follows the same neighbour. ``rest`` ends
    what would go on working in others' turns; who rests is warmed up anew as each turn begins.
    """
    chance = random.Random(0)
    rates: dict[str, list[float]] = {name: [] for name in steps}
    if rest is None:
        for step in tqdm(steps.values(), desc="warming up", leave=False):
            rate(step, batch_size, seconds / 2)
    for _ in tqdm(range(rounds), desc="rounds", leave=False):
        for name in chance.sample(list(steps), len(steps)):
            if rest is not None:
                rate(steps[name], batch_size, seconds)
            rates[name].append(rate(steps[name], batch_size, seconds))
            if rest is not None:
                rest[name]()
    return {name: Spread(values) for name, values in rates.items()}


def matmul_peak(device: torch.device, seconds: float = 2.0) -> float:
    """FLOP/s of a large square matrix product, in the precision that training has there."""
    cuda = device.type == "cuda"
    n, dtype = (8192, torch.bfloat16) if cuda else (2048, torch.float32)
    a = torch.randn(n, n, device=device, dtype=dtype)
    (a @ a).sum().item()
    best, until = 0.0, time.perf_counter() + seconds
    while not best or time.perf_counter() < until:
        began = time.perf_counter()
        for _ in range(4):
            product = a @ a
        product[0, 0].item()
        best = max(best, 4 * 2 * n**3 / (time.perf_counter() - began))
    return best


def flops(step: Callable[[], torch.Tensor]) -> int:
    """Floating-point operations of one step's matrix products, backward included."""
    # The counter knows no fused attention on a CPU, so attention is written out for it.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def peak_memory(build: Callable, device: torch.device, steps: int = 3) -> int:
    """Bytes that ``steps`` end-to-end steps add at their worst, measured in a process of its own.

    On CUDA what PyTorch allocated, on a CPU the growth of the resident set (Linux only).
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_weigh, args=(theirs, build, device, steps))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        raise RuntimeError("the process that measures memory died; is there enough?") from None
    finally:
        process.join()


def _weigh(pipe, build: Callable, device: torch.device, steps: int) -> None:
    def resident_peak() -> int:
        # Not getrusage: its peak starts from that of the process that started this one.
        (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
        return int(line.split()[1]) * 1024

    torch.zeros(1, device=device)
    before = resident_peak()
    contender = build()
    for _ in range(steps):
        contender.step().item()
    if device.type == "cuda":
        pipe.send(torch.cuda.max_memory_allocated(device))
    else:
        pipe.send(resident_peak() - before)
