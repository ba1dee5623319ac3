"""``--batch auto``: a search for the largest batch that a device holds."""

from collections.abc import Callable
from dataclasses import replace

from minidino.config import TrainConfig
from minidino.engine.memory import HEADROOM, step_memory
from minidino.engine.settings import Engine
from minidino.errors import UserError


def search(
    config: TrainConfig,
    engine: Engine,
    budget: int,
    most: int,
    attempt: Callable[[TrainConfig], int | None] | None,
) -> int:
    """The largest batch, at most ``most``, whose steps stay within ``budget`` bytes.

    Args:
        attempt: takes steps; returns the bytes they used, or None if memory ran out. Without
            one the model is believed.

    Raises:
        UserError: if not even the smallest batch fits.
    """
    sizes = batch_sizes(most, engine.accumulate)

    def predicted(size: int) -> float:
        return step_memory(replace(config, batch_size=size), engine, cuda=attempt is not None).total

    correction, best, too_large = HEADROOM, 0, most + 1
    while True:
        fitting = [s for s in sizes if s < too_large and predicted(s) * correction <= budget]
        size = max(fitting, default=sizes[0] if attempt is not None and not best else 0)
        if size <= best or size >= too_large:
            break
        if attempt is None:
            best = size
            break
        used = attempt(replace(config, batch_size=size))
        if used is None or used > budget:
            too_large, correction = size, 1.25 * correction
        else:
            best, correction = size, used / predicted(size)
    if not best:
        raise UserError(
            f"not even a batch of {sizes[0]} fits in {budget / 2**30:.1f} GiB; try "
            "--checkpoint-activations, smaller crops, or a smaller network"
        )
    return best


def batch_sizes(most: int, parts: int) -> list[int]:
    """Sizes to choose from: all small ones, then an eighth apart; each divides into ``parts``."""
    sizes, size = [], max(2, parts)
    while size <= most:
        if size % parts == 0:
            sizes.append(size)
        step = 8 if size >= 16 else 1
        size += max(step, size // 8 // step * step)
        size = -(-size // parts) * parts
    return sizes or [max(2, parts) if max(2, parts) % parts == 0 else 2 * parts]
