"""Where a learner stands in the whole course, and a hint at a time."""

import ast
import html
import inspect
import math
import re
import textwrap
from dataclasses import dataclass

from nbformat import NotebookNode

from minidino.course.notebooks import exercises, find, read
from minidino.course.place import root
from minidino.course.progress import FILE, note, notes
from minidino.errors import UserError

WORDS_A_MINUTE = 100  # what people took who worked through, equations and figures included
HINT = re.compile(r"<details><summary>.*?</summary>\n(.*?)</details>", re.DOTALL)
FIRST = (
    "Before any code: say in one sentence what is done to what comes in, and work the smallest "
    "case by hand."
)
WIDTH = 88  # of what is printed


@dataclass
class Standing:
    """How a notebook stands.

    Attributes:
        name: "03 multi crop".
        statuses: of its exercises in order: ``done``, ``wrong`` or ``not started``.
        minutes: left, to write the exercises that are not done and to read as much of the text.
    """

    name: str
    statuses: list[str]
    minutes: int


def minutes(notebook: NotebookNode) -> tuple[int, int]:
    """To write the exercises of a solution, as they say, and to read it, rounded to 5."""
    text = [c for c in notebook.cells if c.cell_type == "markdown"]
    words = sum(len(c.source.split()) for c in text if not c.id.startswith("hints"))
    return sum(_to_write(notebook).values()), max(5, 5 * round(words / WORDS_A_MINUTE / 5))


def _to_write(notebook: NotebookNode) -> dict[str, int]:
    """Minutes by exercise: {"3-1": 10, ...}."""
    why = {c.id.removeprefix("why-"): c.source for c in notebook.cells if c.id.startswith("why-")}
    said = {e: re.search(r"· (\d+) minutes ·", text) for e, text in why.items()}
    return {e: int(found.group(1)) for e, found in said.items() if found}


def standing() -> list[Standing]:
    """Every notebook of the course, by what checks said last.

    Raises:
        UserError: if there is no course here.
    """
    said = notes(root() / "notebooks" / FILE)
    found = []
    for path in sorted((root() / "solutions").glob("[0-9][0-9]_*.ipynb")):
        notebook = read(path)
        statuses = {
            e: said.get(e.replace("-", "."), {}).get("status", "not started")
            for e in exercises(notebook)
        }
        left = [e for e, status in statuses.items() if status != "done"]
        _, reading = minutes(notebook)
        written = sum(_to_write(notebook).get(e, 0) for e in left)
        spent = math.ceil(written + reading * len(left) / max(1, len(statuses)))
        found.append(Standing(path.stem.replace("_", " "), list(statuses.values()), spent))
    return found


# ---------------------------------------------------------------- hints


def next_hint(number: str) -> str:
    """One more step towards an exercise: "03.4" or "3.4". After the last step, all of them.

    What the check said last stands in front, if that was that the answer is wrong.

    Raises:
        UserError: if there is no such exercise.
    """
    named = re.fullmatch(r"0*(\d+)[.-](\d+)", number)
    if not named:
        raise UserError(f'an exercise is named like 03.4, not "{number}"')
    notebook = read(find(named.group(1), "solutions"))
    exercise, number = "-".join(named.groups()), ".".join(named.groups())
    if exercise not in exercises(notebook):
        known = ", ".join(e.replace("-", ".") for e in exercises(notebook))
        raise UserError(f"no exercise {number}; there are {known}")
    file = root() / "notebooks" / FILE
    said = notes(file).get(number, {})
    steps, given = steps_of(notebook, exercise), said.get("hints", 0)
    note(file, number=number, hints=given + 1)
    parts = []
    if said.get("status") == "wrong" and not given:
        parts.append(_wrapped(f"Your last check said: {said['hint']}"))
    for i, step in enumerate(steps, 1):
        if i == given + 1 or given >= len(steps):
            parts.append(f"Hint {i} of {len(steps)} for {number}\n{step}")
    if given >= len(steps):
        parts.append(
            f"These are all. Write what you have, and `minidino check {named.group(1).zfill(2)}` "
            "says what it does."
        )
    return "\n\n".join(parts)


def steps_of(notebook: NotebookNode, exercise: str) -> list[str]:
    """The steps of an exercise, for a terminal: what its stub asks for, then its folded hints."""
    cells = {cell.id: cell.source for cell in notebook.cells}
    (asked,) = (
        node
        for node in ast.parse(cells[f"exercise-{exercise}"]).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    )
    docstring = inspect.cleandoc(ast.get_docstring(asked) or "")
    first = f"{_wrapped(FIRST)}\n\n{textwrap.indent(docstring, '    ')}"
    return [first, *(_wrapped(_plain(hint)) for hint in HINT.findall(cells[f"hints-{exercise}"]))]


def _plain(hint: str) -> str:
    """HTML of a folded hint as text: code between backticks, no other mark."""
    hint = re.sub(r"</?code>", "`", hint)
    return html.unescape(re.sub(r"</?(em|i)>", "", hint))


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH, break_on_hyphens=False)
