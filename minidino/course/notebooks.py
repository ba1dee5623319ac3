"""The course's notebooks: emptying their exercises, checking a learner's, starting again.

``solutions/`` is the only source. An exercise is six cells, told apart by their ids: ``why-3-2``,
``exercise-3-2`` (code with a solution region), ``hints-3-2``, ``check-3-2``, ``figure-3-2`` (the
learner's own result, tag ``mine``) and ``see-3-2``. Cells tagged ``setup`` hold what exercises
and checks need; everything else goes on with the package's own version of a piece.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from minidino.course.doors import with_doors, with_links_to_the_web
from minidino.course.place import home, root
from minidino.course.progress import FILE, note, notes
from minidino.errors import UserError

EMPTY = "raise NotImplementedError"
REGION = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION$", re.DOTALL | re.MULTILINE
)
# A cell with this tag may fail and "Run All" goes on; nbval would take it for a pass.
KEEP_GOING = "raises-exception"
# Small sizes, no sliders, and no plugin but nbval: others take seconds to load.
NBVAL = {
    "MINIDINO_SMOKE": "1",
    "MINIDINO_STATIC": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "",
}
NBVAL_OPTIONS = ("-p", "minidino.course", "-p", "nbval.plugin", "--nbval-lax")
NBVAL_OPTIONS += ("--nbval-current-env", "--nbval-cell-timeout=600", "-v", "-p", "no:cacheprovider")
MARKS = {"done": "✓", "not started": "·", "wrong": "✗"}
ASCII_MARKS = {"done": "+", "not started": ".", "wrong": "x"}


@dataclass
class Result:
    """How an exercise stands.

    Attributes:
        number: "3.2".
        status: ``done``, ``not started`` or ``wrong``.
        hint: what a check said is wrong.
    """

    number: str
    status: str
    hint: str = ""


def marks(encoding: str | None) -> dict[str, str]:
    """A mark for each status, of letters that a console with this encoding can show."""
    try:
        "".join(MARKS.values()).encode(encoding or "ascii")
    except UnicodeEncodeError:
        return ASCII_MARKS
    return MARKS


# ---------------------------------------------------------------- notebooks and their cells


def find(number: str, folder: str) -> Path:
    """The notebook of a number ("03" or "3") in ``notebooks`` or ``solutions``.

    Raises:
        UserError: if there is none.
    """
    known = sorted((root() / folder).glob("[0-9][0-9]_*.ipynb"))
    wanted = number.zfill(2) if number else "no number"
    found = [path for path in known if path.name.startswith(f"{wanted}_")]
    if not found:
        names = ", ".join(sorted({path.name[:2] for path in known}))
        raise UserError(f'no notebook "{number}" in {root() / folder}; there are {names}')
    # A copy that ``reset`` kept is named 03_multi_crop.mine-....ipynb and sorts after it.
    return min(found, key=lambda path: len(path.name))


def read(path: Path) -> NotebookNode:
    """A notebook.

    Raises:
        UserError: if it is not one.
    """
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises its own, json's, jsonschema's and OSError
        raise UserError(f"{path} is not a readable notebook: {str(error)[:100]}") from None


def exercises(notebook: NotebookNode) -> list[str]:
    """Numbers of the exercises in order, as ("3-1", "3-2", ...)."""
    ids = [cell.get("id", "") for cell in notebook.cells]
    return [i.removeprefix("exercise-") for i in ids if i.startswith("exercise-")]


def _number(exercise: str) -> str:
    return exercise.replace("-", ".")


def empty(notebook: NotebookNode) -> NotebookNode:
    """What a learner starts from: solution regions emptied, no outputs, ids and tags kept."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = empty_source(cell.source)
            if cell.id.startswith("check-") or "mine" in tags:
                tags = [*tags, KEEP_GOING]
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    return notebook


def fresh(solution: Path) -> NotebookNode:
    """The notebook that a learner starts from: emptied, with the cells that open it anywhere."""
    return with_doors(empty(read(solution)), solution.name)


def empty_source(source: str) -> str:
    """Code with its solution region replaced by ``raise NotImplementedError``."""
    return REGION.sub(lambda region: region["indent"] + EMPTY, source)


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all; the same cells always give the same bytes."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(nbformat.writes(notebook) + "\n")
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


# ---------------------------------------------------------------- a learner's notebook


def reset(number: str) -> tuple[Path, Path | None]:
    """Bring back the empty notebook; what the learner wrote is kept beside it.

    Returns:
        The notebook, and the copy that was kept (None where there was nothing to keep).
    """
    solution = find(number, "solutions")
    path = root() / "notebooks" / solution.name
    kept = None
    begun = fresh(solution)
    if path.exists() and path.read_text(encoding="utf-8") != nbformat.writes(begun) + "\n":
        kept = path.with_suffix(f".mine-{time.strftime('%Y-%m-%d-%H%M%S')}.ipynb")
        path.rename(kept)
    write(begun, path)
    for exercise in exercises(begun):
        note(path.with_name(FILE), number=_number(exercise), status="not started", hint="", hints=0)
    return path, kept


def unpack(folder: Path) -> list[Path]:
    """Put the course into a folder: ``notebooks/``, emptied, and ``solutions/``.

    Returns:
        The notebooks.

    Raises:
        UserError: if there are notebooks already; nothing is written then.
    """
    source = sorted((home() / "solutions").glob("[0-9][0-9]_*.ipynb"))
    targets = [folder / "notebooks" / path.name for path in source]
    if there := [path for path in targets if path.exists()]:
        raise UserError(
            f"{there[0]} is there already; `minidino reset {there[0].name[:2]}` in {folder} "
            "brings back the empty one"
        )
    for part in ("notebooks", "solutions"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for path, target in zip(source, targets, strict=True):
        solution = read(path)
        for cell in solution.cells:
            if cell.cell_type == "markdown":
                cell.source = with_links_to_the_web(cell.source)
        write(solution, folder / "solutions" / path.name)
        write(fresh(folder / "solutions" / path.name), target)
    return targets


def check(path: Path, progress: bool = True) -> tuple[list[Result], list[str]]:
    """Run a learner's notebook through nbval.

    Args:
        path: the notebook; it is run as a copy and not changed.
        progress: show a bar, a step a cell.

    Returns:
        How each exercise stands, and the errors of all other cells.
    """
    notebook = read(path)
    for cell in notebook.cells:
        if KEEP_GOING in (tags := cell.metadata.get("tags", [])):
            tags.remove(KEEP_GOING)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    with tempfile.TemporaryDirectory() as folder:
        copy, report, junit = (Path(folder) / name for name in (path.name, "report", "junit.xml"))
        write(notebook, copy)
        options = [*NBVAL_OPTIONS, f"--rootdir={folder}", f"--junitxml={junit}"]
        run = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-c", os.devnull, *options, copy],
            env=os.environ | NBVAL | {"MINIDINO_REPORT": str(report)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        said = []
        with tqdm(total=len(code), unit="cell", desc=path.stem, disable=not progress) as bar:
            for line in run.stdout:
                said.append(line)
                bar.update("::Cell " in line and line.rstrip().endswith("%]"))
        run.wait()
        if not junit.exists():
            raise UserError(f"nbval could not run {path}: {' '.join(said[-3:])}")
        failed = {
            int(case.get("name").rsplit(" ", 1)[1]): failure.text or ""
            for case in ElementTree.parse(junit).iter("testcase")
            if (failure := case.find("failure")) is not None
        }
        checked = notes(report)
    errors = {code[i].get("id", ""): _last_line(text) for i, text in failed.items()}

    results = []
    for exercise in exercises(notebook):
        number = _number(exercise)
        if number in checked:
            results.append(Result(**checked[number]))
        elif broken := errors.get(f"exercise-{exercise}"):
            results.append(Result(number, "wrong", f"the cell does not run: {broken}"))
        else:
            broken = errors.get(f"check-{exercise}", "its check cell is missing")
            results.append(Result(number, "wrong", f"the check did not run: {broken}"))
    mine = {c.get("id", "") for c in code if "mine" in c.metadata.get("tags", [])}
    checks = {f"{kind}-{e}" for e in exercises(notebook) for kind in ("exercise", "check")}
    rest = [f"{cell}: {text}" for cell, text in errors.items() if cell not in mine | checks]
    return results, rest


def _last_line(failure: str) -> str:
    """The exception's own line of a failure report, without colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", failure)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\w*(Error|Exception|Interrupt)\b", line)]
    return (errors or lines or ["it failed"])[-1]
