"""Ctrl-C and SIGTERM while a network trains: finish the step, save, leave.

The first signal asks for a stop, which comes where the state is whole: after the step under way.
A second one does not wait.

Of several processes that train together all take the same steps, so none may leave on its own:
they agree before each step, nothing is cut short, and a second signal changes nothing.
"""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from minidino.engine import distributed

T = TypeVar("T")


class RunStopped(KeyboardInterrupt):
    """A run was stopped by a signal; the message says what is saved and how to go on.

    It is a ``KeyboardInterrupt``, so that a notebook stops as it does for any other cell.

    Attributes:
        exit_code: 130 after Ctrl-C, 143 after SIGTERM, as shells have it.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_code = 128 + number

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.exit_code - 128)


class StopRequest:
    """What a run asks before each step: was there a signal to stop?"""

    def __init__(self):
        self.number: int | None = None
        self._cut_in = False

    @property
    def asked(self) -> bool:
        return self.number is not None

    @property
    def by(self) -> str:
        """The signal's name, for a message."""
        return "Ctrl-C" if self.number == signal.SIGINT else "SIGTERM"

    def agreed(self) -> bool:
        """Was a signal sent to any process? The same answer everywhere; all must ask."""
        number = distributed.largest(self.number or 0)
        if number and not self.asked:
            self.number = number
        return number > 0

    def until_asked(self, items: Iterable[T]) -> Iterator[T]:
        """The items, up to a signal to any process; it ends the wait for the next item, too."""
        iterator = iter(items)
        while True:
            if self.agreed():
                return
            try:
                with self._cutting_in_alone():
                    item = next(iterator)
            except (StopIteration, RunStopped):
                return
            yield item

    def unless_asked(self, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; None if a signal came before it or cut it short."""
        try:
            with self._cutting_in_alone():
                return work()
        except RunStopped:
            return None

    @contextmanager
    def cutting_in(self) -> Iterator[None]:
        """In this block a signal raises ``RunStopped``: nothing in it has to be finished."""
        self._cut_in = True
        try:
            if self.asked:
                raise RunStopped(f"stopped by {self.by}", self.number)
            yield
        finally:
            self._cut_in = False

    def _cutting_in_alone(self) -> AbstractContextManager[None]:
        return self.cutting_in() if distributed.world_size() == 1 else nullcontext()

    def receive(self, number: int, frame: object = None) -> None:
        """The signal handler."""
        if self.asked and distributed.world_size() == 1:
            raise RunStopped(f"stopped at once by {self.by}; what was saved is kept", number)
        self.number = number
        if self._cut_in:
            raise RunStopped(f"stopped by {self.by} before the first step", number)


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Receive SIGINT and SIGTERM in this block; the handlers before are put back after it.

    Only the main thread may do so. In another thread, and for a signal that the process was
    told to ignore, nothing is changed.
    """
    stop = StopRequest()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop.receive)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            # None: a handler that was not installed from Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
