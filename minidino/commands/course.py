"""``minidino check`` and ``minidino reset``: a learner's notebooks."""

import sys
from typing import Annotated

import tyro

from minidino import checks
from minidino.errors import UserError

Number = Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="Of the notebook, as in 03.")]


def _course():
    try:
        from minidino.course import notebooks as course
    except ImportError as error:
        raise UserError(
            f'notebooks need {error.name}; install it with: pip install -e ".[course,test]"'
        ) from None
    return course


def check_command(notebook: Number) -> int:
    """Run one of your notebooks and say how each exercise stands.

    Exit code 0 only when all are done.
    """
    course = _course()
    path = course.find(notebook, "notebooks")
    results, errors = course.check(path)
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


def reset_command(notebook: Number) -> None:
    """Bring back the empty notebook; what you wrote is kept beside it."""
    course = _course()
    path, kept = course.reset(notebook)
    print(f"{path} is empty again" + (f"; yours is {kept}" if kept else ""))
