"""What an earlier call left in a folder is never taken for what this one wrote."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from minidino.data.listing import few
from minidino.errors import UserError, check_ours, one_line, written_by


@contextmanager
def earlier_told(files: Iterable[Path], folder: Path) -> Iterator[None]:
    """Those of ``files`` below ``folder`` that this block did not write again are named, and stay.

    Args:
        files: of the command that asks; what is not there is left out.
    """
    before = {file: _state(file) for file in files}
    yield
    same = [file for file, state in before.items() if state and _state(file) == state]
    if same:
        same.sort(key=lambda file: (len(file.parts), file))
        names = few([str(file.relative_to(folder)) for file in same])
        print(f"of an earlier call, and still in {one_line(folder)}: {names}")


def _state(file: Path) -> tuple[int, int, int] | None:
    """What writing to a file changes; None if it is not there."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def ours_among(files: Iterable[Path], ours: Callable[[Path], bool]) -> list[Path]:
    """Those of which ``check_ours`` says that they may be replaced."""
    return [file for file in files if _is_ours(file, ours)]


def made_by(program: str | tuple[str, ...], files: Iterable[Path]) -> list[Path]:
    """The pictures that say that this program wrote them."""
    return ours_among(files, partial(written_by, program))


def _is_ours(file: Path, ours: Callable[[Path], bool]) -> bool:
    try:
        check_ours(file, ours, "")
    except UserError:
        return False
    return True
