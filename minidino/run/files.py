"""Files that are written whole or not at all, whatever happens meanwhile."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from minidino.errors import check_ours

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PARTIAL = ".partial"
LOCK = ".lock"


@contextmanager
def replacing(path: Path, keep_as: Path | None = None) -> Iterator[Path]:
    """Write to the path that is given; ``path`` becomes that file when the block ends well.

    The new file and then its name are brought to disk before this returns: after a power cut,
    too, ``path`` is the old file or the new one. What a killed run leaves behind is a hidden
    file, which the next write to the same path replaces.

    Args:
        path: the file to write or to replace.
        keep_as: what the file it replaces is called from now on; one of that name is lost.
            Between the two renames only ``keep_as`` exists.
    """
    partial = path.parent / f".{path.name}{PARTIAL}"
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        if keep_as is not None and path.exists():
            os.replace(path, keep_as)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk, where the system has a way to ask for it."""
    with suppress(OSError):  # Windows opens no folders, and some network disks do not sync them
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def save_tensors(
    tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None
) -> None:
    """safetensors' ``save_file`` with usual permissions; its own lets the owner alone read."""
    path.touch()
    usual = path.stat().st_mode
    save_file(tensors, path, metadata)
    path.chmod(usual)


def write_text(path: Path, text: str) -> None:
    """``path.write_text``, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def check_json(path: Path, key: str, otherwise: str) -> None:
    """``check_ours``, of a JSON object that has this key."""
    check_ours(path, partial(has_key, key), otherwise)


def has_key(key: str, path: Path) -> bool:
    """Has the JSON object in a file this key?"""
    return key in json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold a folder in this block; False if another process holds it.

    A hidden file in it bears the lock, which ends with the process, however that ends, and is not
    inherited by processes that are forked. Where system or disk have no locks, nobody is kept out.
    """
    with (folder / LOCK).open("ab") as file:
        try:
            if fcntl is not None:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            yield error.errno not in (errno.EACCES, errno.EAGAIN)
        else:
            yield True


def release(folder: Path) -> None:
    """Remove the file by which this process holds a folder."""
    with suppress(OSError):
        (folder / LOCK).unlink()


def remove_partial(folder: Path) -> None:
    """Remove what writes that were killed left in a folder."""
    for file in folder.glob(f".*{PARTIAL}"):
        file.unlink(missing_ok=True)
