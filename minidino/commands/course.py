"""``minidino course``, ``check``, ``status``, ``hint`` and ``reset``: a learner's notebooks."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import tyro

from minidino import checks
from minidino.course.place import root
from minidino.course.progress import FILE, note
from minidino.errors import UserError

Number = Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="Of the notebook, as in 03.")]


Folder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="Made if it is not there.")]
Exercise = Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="As in 03.4.")]


@contextlib.contextmanager
def _notebooks_readable() -> Iterator[None]:
    """What only notebooks need may not be installed: one line."""
    try:
        yield
    except ImportError as error:
        raise UserError(
            f'notebooks need {error.name}; install it with: pip install "minidino[course]"'
        ) from None


def check_command(notebook: Number) -> int:
    """Run one of your notebooks and say how each exercise stands.

    Exit code 0 only when all are done.
    """
    with _notebooks_readable():
        from minidino.course import notebooks as course
    path = course.find(notebook, "notebooks")
    results, errors = course.check(path)
    for r in results:
        note(path.with_name(FILE), number=r.number, status=r.status, hint=r.hint)
    print(path.stem)
    marks = course.marks(sys.stdout.encoding)
    for r in results:
        title = getattr(checks, f"check_{r.number.replace('.', '_')}").title
        said = {"done": "", "not started": " (not started)", "wrong": f": {r.hint}"}[r.status]
        print(f"  {marks[r.status]} {r.number}  {title}{said}")
    done = sum(r.status == "done" for r in results)
    print(f"{done} of {len(results)} done")
    if errors and done == len(results):
        print(f"but another cell fails: {errors[0]}")
    return 0 if done == len(results) and not errors else 1


def status_command() -> None:
    """How the whole course stands: a mark an exercise, and the minutes that are left.

    A mark is what the exercise's check said last, in a notebook or by minidino check.
    """
    with _notebooks_readable():
        from minidino.course import guide, notebooks
    found = guide.standing()
    marks = notebooks.marks(sys.stdout.encoding)
    for one in found:
        left = f"{one.minutes:3d} minutes left" if one.minutes else "done"
        print(f"{one.name:24s} {''.join(marks[s] for s in one.statuses):6s} {left:>16s}")
    every = [s for one in found for s in one.statuses]
    counted = ", ".join(f"{every.count(s)} {s} {mark}" for s, mark in marks.items())
    hours, rest = divmod(sum(one.minutes for one in found), 60)
    print(f"{len(every)} exercises: {counted}; {hours} h {rest:02d} left")
    print(f"(kept in {root() / 'notebooks' / FILE}, which goes nowhere)")


def hint_command(exercise: Exercise) -> None:
    """One more step towards an exercise each time, and never its solution."""
    with _notebooks_readable():
        from minidino.course import guide
    print(guide.next_hint(exercise))


def course_command(folder: Folder = Path("minidino-course")) -> None:
    """Put the course's notebooks into a folder, wherever minidino was installed from."""
    with _notebooks_readable():
        from minidino.course import notebooks as course
    written = course.unpack(folder)
    print(f"wrote {len(written)} notebooks to {folder / 'notebooks'}, worked ones to solutions/")
    print(f"next: cd {folder}, then: jupyter lab --preferred-dir=notebooks")


def reset_command(notebook: Number) -> None:
    """Bring back the empty notebook; what you wrote is kept beside it."""
    with _notebooks_readable():
        from minidino.course import notebooks as course
    path, kept = course.reset(notebook)
    print(f"{path} is empty again" + (f"; yours is {kept}" if kept else ""))
