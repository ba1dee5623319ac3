"""What a person did wrong, told in one line."""

import os
from collections.abc import Callable
from pathlib import Path


def one_line(text: object) -> str:
    """A text on one line, as a terminal can show it: a file's name may hold anything."""
    joined = " ".join(str(text).split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in joined)


class UserError(Exception):
    """Bad input. Its message names what was wrong, where, and what to do about it.

    The command line prints the message and exits with code 2, without a traceback.
    """


def check_ours(path: Path, ours: Callable[[Path], bool], otherwise: str) -> None:
    """May this path be written to? Of what is there only files of ours are replaced.

    Args:
        ours: did the same command write this file? If it raises anything, it did not.
        otherwise: what the file is then, and what to do.

    Raises:
        UserError: if something else is there.
    """
    try:
        free = not os.path.lexists(path) or (path.is_file() and ours(path))
    except Exception:  # whatever a reader makes of bytes that are not its own
        free = False
    if not free:
        raise UserError(f"{path} is there and {otherwise}")


def written_by(program: str | tuple[str, ...], path: Path) -> bool:
    """Does this picture say that it was made by this program, or by one of these?"""
    from PIL import Image  # which a message does not need

    with Image.open(path) as picture:
        return str(picture.info.get("Software")).startswith(program)
