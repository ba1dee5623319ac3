"""The next batch is on its way to the GPU while the present one is trained on."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

T, S = TypeVar("T"), TypeVar("S")


def one_ahead(items: Iterable[T], start: Callable[[T], S]) -> Iterator[S]:
    """``start(item)`` of each item, in order; the next one is started before one is handed out.

    >>> list(one_ahead([1, 2, 3], lambda n: 10 * n))
    [10, 20, 30]
    """
    started = (start(item) for item in items)
    for ready in started:
        for following in started:
            yield ready
            ready = following
        yield ready


def to_device(batches: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
    """The same batches in the same order, on the device.

    To a GPU they go from pinned memory on a stream of their own. The training's stream waits
    for its batch's own copy, the host for nothing.
    """
    if device.type != "cuda":
        yield from (batch.to(device) for batch in batches)
        return
    side = torch.cuda.Stream(device)

    def send(batch: Tensor) -> tuple[Tensor, torch.cuda.Event]:
        with torch.cuda.stream(side):
            sent = batch.pin_memory().to(device, non_blocking=True)  # pinned already: no copy
            return sent, side.record_event()

    for batch, arrived in one_ahead(batches, send):
        training = torch.cuda.current_stream(device)
        training.wait_event(arrived)
        # Its memory was taken on the side stream and may be used anew after training's use of it.
        batch.record_stream(training)
        yield batch
