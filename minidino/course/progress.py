"""How a learner's exercises stand: what checks said last, and how many hints were asked for.

Every check that runs in a notebook of ``notebooks/`` leaves a line in
``notebooks/.progress.jsonl``. ``minidino status`` and ``minidino hint`` read that file, and nothing
else does: it goes nowhere.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from minidino.course.place import is_course

FILE = ".progress.jsonl"
STATUSES = ("done", "not started", "wrong")
_EXAMPLE = ContextVar("_EXAMPLE", default=False)


@contextlib.contextmanager
def example() -> Iterator[None]:
    """What is checked in here is an example of the course's, and nobody's progress."""
    before = _EXAMPLE.set(True)
    try:
        yield
    finally:
        _EXAMPLE.reset(before)


def target() -> Path | None:
    """Where a check's word goes: to ``minidino check`` if it asked, else to the learner's file.

    A check that runs anywhere but in ``notebooks/``, where Jupyter runs what lies there, is
    nobody's progress: then None.
    """
    if _EXAMPLE.get():
        return None
    if report := os.environ.get("MINIDINO_REPORT"):
        return Path(report)
    here = Path.cwd()
    return here / FILE if here.name == "notebooks" and is_course(here.parent) else None


def note(file: Path, **what: str | int) -> None:
    """Add a line about the exercise ``number``: its ``status`` and ``hint``, or ``hints`` given."""
    # A folder without write permission costs the note alone.
    with contextlib.suppress(OSError), open(file, "a", encoding="utf-8") as notes:
        notes.write(json.dumps(what) + "\n")


def notes(file: Path) -> dict[str, dict]:
    """By number of exercise the last word on each thing: {"3.2": {"status": "done", ...}}."""
    found: dict[str, dict] = {}
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    for line in text.splitlines():
        with contextlib.suppress(ValueError):  # cut short, as the machine went down
            if _is_note(said := json.loads(line)):
                found.setdefault(said["number"], {"hint": ""}).update(said)
    return found


def _is_note(said: Any) -> bool:
    """Could ``note`` have written this? In a damaged file there may be anything."""
    return (
        isinstance(said, dict)
        and isinstance(said.get("number"), str)
        and said.get("status", "done") in STATUSES
        and isinstance(said.get("hint", ""), str)
        and isinstance(said.get("hints", 0), int)
    )
