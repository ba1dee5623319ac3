"""The course holds: solutions run, empty exercises say so, wrong answers are named.

An exercise, its check and the ``setup`` cells above them are run here in one namespace, which
takes milliseconds; whole notebooks are run by nbval, small (``MINIDINO_SMOKE=1``).
"""

import base64
import contextlib
import functools
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch

from minidino.checks import compare
from minidino.course import notebooks as course
from minidino.course.progress import FILE, notes

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
NOTEBOOKS = {path.name[:2]: course.read(path) for path in SOLUTIONS}
EXERCISES = [(nn, e) for nn, notebook in NOTEBOOKS.items() for e in course.exercises(notebook)]
HEADINGS = (
    r"^### Exercise {n} · .+$",
    r"^\*Difficulty [●○]{{3}} · importance [●○]{{3}} · \d+ minutes · (CPU|GPU|CPU or GPU)\*$",
)


def answers(kind: str) -> list:
    files = sorted((ROOT / "tests" / f"{kind}_answers").glob("[0-9][0-9]/*.py"))
    return [pytest.param(f, id=f"{f.parent.name}-{f.stem}") for f in files]


def exercise_of(file: Path) -> tuple[str, str]:
    """tests/wrong_answers/03/3_2_slug.py -> ("03", "3-2")."""
    return file.parent.name, "-".join(file.stem.split("_")[:2])


def run_exercise(nn: str, exercise: str, answer: str) -> str:
    """What the check prints, with ``answer`` in place of the solution."""
    namespace, check = dict(set_up(nn, exercise)), cell_of(nn, f"check-{exercise}")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for source in (answer, check):
            exec(compile(source, f"{nn} {exercise}", "exec"), namespace)
    return said.getvalue()


@functools.cache
def set_up(nn: str, exercise: str) -> dict:
    """What the setup cells above an exercise leave behind; made once, since some take a second."""
    namespace: dict = {"__name__": "notebook"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in NOTEBOOKS[nn].cells:
            if cell.id == f"exercise-{exercise}":
                return namespace
            if "setup" in cell.metadata.get("tags", []):
                exec(compile(cell.source, f"{nn} {cell.id}", "exec"), namespace)


def cell_of(nn: str, name: str) -> str:
    return next(cell.source for cell in NOTEBOOKS[nn].cells if cell.id == name)


def solution(nn: str, exercise: str) -> str:
    return cell_of(nn, f"exercise-{exercise}")


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.name[:2])
def test_a_notebook_is_its_solution_emptied(path):
    emptied = nbformat.writes(course.fresh(path)) + "\n"
    written = (ROOT / "notebooks" / path.name).read_text(encoding="utf-8")
    assert written == emptied, "run: make sync (it empties every exercise in notebooks/)"
    assert "BEGIN SOLUTION" not in written


def test_there_is_no_notebook_without_a_solution():
    generated = {p.name for p in (ROOT / "notebooks").glob("*.ipynb") if ".mine-" not in p.name}
    assert generated == {p.name for p in SOLUTIONS}


@pytest.mark.parametrize("nn", NOTEBOOKS)
def test_the_shape_of_a_notebook(nn):
    notebook = NOTEBOOKS[nn]
    numbers = course.exercises(notebook)
    cells = {cell.id: cell for cell in notebook.cells}
    assert 3 <= len(numbers) <= 6 or nn == "00"
    taught = [cell for cell in notebook.cells if cell.id not in ("play-text", "play")]
    assert 25 <= len(taught) <= 45
    assert len(cells) == len(notebook.cells), "two cells with one id"
    assert numbers == [f"{int(nn)}-{i + 1}" for i in range(len(numbers))]
    ids = list(cells)
    for e in numbers:
        parts = [f"{kind}-{e}" for kind in ("why", "exercise", "hints", "check", "figure", "see")]
        at = [ids.index(part) for part in parts]
        assert at[:5] == list(range(at[0], at[0] + 5)), f"{e}: {parts} must follow each other"
        assert at[5] > at[4]
        for heading in HEADINGS:
            pattern = heading.format(n=re.escape(e.replace("-", ".")))
            assert re.search(pattern, cells[f"why-{e}"].source, re.MULTILINE), (e, pattern)
        assert "$" in cells[f"why-{e}"].source, f"{e}: no equation"
        assert cells[f"exercise-{e}"].source.count("### BEGIN SOLUTION") == 1
        assert '"""' in cells[f"exercise-{e}"].source
        assert cells[f"hints-{e}"].source.count("<details>") == 2
        assert "](../solutions/" in cells[f"hints-{e}"].source
        assert cells[f"check-{e}"].source.startswith(f"checks.check_{e.replace('-', '_')}(")
        assert "mine" in cells[f"figure-{e}"].metadata.tags


def test_the_readme_and_the_map_tell_the_minutes_that_are_counted():
    sys.path.insert(0, str(ROOT / "tools"))
    from notebook_minutes import minutes, running

    counted = {nn: "{} + {}".format(*minutes(notebook)) for nn, notebook in NOTEBOOKS.items()}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| \[(\d\d) .*\| (\d+ \+ \d+) \| [^|]+ \|$", readme, re.MULTILINE))
    tour = "\n".join(c.source for c in NOTEBOOKS["00"].cells if c.cell_type == "markdown")
    on_the_map = dict(re.findall(r"^\| \[(\d\d)\]\(.*\| (\d+ \+ \d+) \|$", tour, re.MULTILINE))
    assert told == counted
    took = running()
    runs_in = dict(re.findall(r"^\| \[(\d\d) .*\| \d+ \+ \d+ \| ([^|]+) \|$", readme, re.MULTILINE))
    assert runs_in == {nn: took.get(nn, "not timed") for nn in counted}
    assert on_the_map == {nn: minutes for nn, minutes in counted.items() if nn != "00"}


@pytest.mark.parametrize("nn", NOTEBOOKS)
def test_outputs_are_of_one_clean_run_and_small(nn):
    code = [c for c in NOTEBOOKS[nn].cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    for cell in code:
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", cell.id
            if png := output.get("data", {}).get("image/png"):
                assert len(base64.b64decode(png)) < 220_000, f"{cell.id}: a large picture"
        if cell.id.startswith("figure-"):
            assert any("image/png" in o.get("data", {}) for o in cell.outputs), cell.id
    assert len(nbformat.writes(NOTEBOOKS[nn])) < 1_200_000


def test_small_runs_are_not_kept():
    """What is told of the figures is true of the full size only."""
    tool = [sys.executable, str(ROOT / "tools/make_notebooks.py"), "--run", "no such notebook"]
    refused = subprocess.run(
        tool, env=os.environ | {"MINIDINO_SMOKE": "1"}, capture_output=True, text=True
    )
    assert refused.returncode == 2 and "unset MINIDINO_SMOKE" in refused.stderr
    printed = "".join(
        o.get("text", "") for c in NOTEBOOKS["09"].cells for o in c.get("outputs", [])
    )
    assert "256 unseen pictures" in printed


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.name[:2])
def test_a_solution_runs_and_prints_what_it_printed(path, tmp_path):
    """The very thing the README tells to do: pytest --nbval-lax."""
    copy = shutil.copy(path, tmp_path)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, *course.NBVAL_OPTIONS, copy],
        env=os.environ | course.NBVAL,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:]


@pytest.mark.parametrize(("nn", "exercise"), EXERCISES)
def test_the_solution_passes_its_check(nn, exercise, monkeypatch):
    # On a GPU a learner's random numbers go on where they were.
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("seeded"))
    assert run_exercise(nn, exercise, solution(nn, exercise)).startswith("✓ ")


@pytest.mark.parametrize(("nn", "exercise"), EXERCISES)
def test_an_empty_exercise_says_so(nn, exercise):
    with pytest.raises(NotImplementedError, match="not started"):
        run_exercise(nn, exercise, course.empty_source(solution(nn, exercise)))


def _numbers(case: tuple) -> tuple | None:
    """What tells the arguments of a case from others, if they are numbers alone."""
    found = []
    for a in case:
        if isinstance(a, torch.Tensor):
            found.append((a.dtype, a.shape, a.detach().contiguous().numpy().tobytes()))
        elif isinstance(a, int | float | str | list | tuple):
            found.append((type(a), repr(a)))
        else:
            return None
    return tuple(found)


@pytest.fixture
def known_once(monkeypatch):
    """The outcome of a known mistake is computed once, and not for every wrong answer anew."""
    real = compare._known

    def remember(nn_exercise_message: tuple, mistake):
        def remembered(*case):
            numbers = _numbers(case)
            if numbers is None:
                return mistake(*case)
            key = (nn_exercise_message, numbers)
            if key not in OUTCOMES:
                OUTCOMES[key] = compare.outcome(mistake, case)
            if isinstance(OUTCOMES[key], Exception):
                raise OUTCOMES[key]
            return OUTCOMES[key]

        return remembered

    def patch(exercise):
        if exercise[1] not in SLOW:
            return
        monkeypatch.setattr(
            compare,
            "_known",
            lambda got, right, cases, mistakes, tolerance: real(
                got,
                right,
                cases,
                {m: remember((exercise, m), f) for m, f in mistakes.items()},
                tolerance,
            ),
        )

    return patch


OUTCOMES: dict = {}
# Their known mistakes take a second together, and are functions of the arguments alone.
SLOW = ("6-4", "8-3", "8-5", "9-3", "11-2", "12-3")


@pytest.mark.parametrize("file", answers("wrong"))
def test_a_wrong_answer_is_named(file, known_once):
    known_once(exercise_of(file))
    source = file.read_text()
    phrase = re.match(r"# names: (.+)\n", source).group(1)
    with pytest.raises(AssertionError, match=re.escape(phrase)):
        run_exercise(*exercise_of(file), source)


@pytest.mark.parametrize("file", answers("right"))
def test_a_right_answer_in_another_style_passes(file):
    assert run_exercise(*exercise_of(file), file.read_text()).startswith("✓ ")


# Exercises that return plain numbers, as floats or as tensors of one.
OF_NUMBERS = [
    ("06", "6-1"),
    ("09", "9-4"),
    ("09", "9-5"),
    ("10", "10-5"),
    ("11", "11-2"),
    ("11", "11-3"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("nn", "exercise"), OF_NUMBERS)
def test_a_figure_draws_every_right_answer(nn, exercise, monkeypatch):
    """What the check lets pass does not crash in the next cell."""
    monkeypatch.setenv("MINIDINO_SMOKE", "1")
    monkeypatch.chdir(ROOT / "solutions")
    namespace: dict = {"__name__": "notebook"}
    code = [cell for cell in NOTEBOOKS[nn].cells if cell.cell_type == "code"]
    figure = cell_of(nn, f"figure-{exercise}")
    with plt.rc_context(), contextlib.redirect_stdout(io.StringIO()):
        for cell in itertools.takewhile(lambda cell: cell.id != f"figure-{exercise}", code):
            exec(compile(cell.source, f"{nn} {cell.id}", "exec"), namespace)
        slug = exercise.replace("-", "_")
        for file in sorted((ROOT / "tests/right_answers" / nn).glob(f"{slug}_*.py")):
            exec(compile(file.read_text(), file.name, "exec"), namespace)
            exec(compile(figure, f"{nn} {file.name}", "exec"), namespace)
            plt.close("all")


@pytest.mark.parametrize(("nn", "exercise"), EXERCISES)
def test_an_exercise_has_two_other_right_answers(nn, exercise):
    slug = exercise.replace("-", "_")
    found = list((ROOT / "tests/right_answers" / nn).glob(f"{slug}_*.py"))
    assert len(found) >= 2, f"tests/right_answers/{nn}/{slug}_*.py"


def test_answers_belong_to_exercises():
    for kind in ("wrong", "right"):
        for parameter in answers(kind):
            assert exercise_of(parameter.values[0]) in EXERCISES


# ---------------------------------------------------------------- minidino check, minidino reset


@pytest.fixture
def learner(tmp_path, monkeypatch):
    """A clone with the first notebook only, and somebody working in it."""
    for folder in ("solutions", "notebooks"):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / "01_softmax_walkthrough.ipynb", tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notebooks" / "01_softmax_walkthrough.ipynb"


def put(path: Path, **answers_by_exercise: str) -> None:
    notebook = course.read(path)
    for cell in notebook.cells:
        number = cell.id.removeprefix("exercise-").replace("-", "_")
        if cell.id.startswith("exercise-") and f"e{number}" in answers_by_exercise:
            cell.source = answers_by_exercise[f"e{number}"]
    course.write(notebook, path)


def test_check_prints_a_line_per_exercise(learner, capsys):
    from minidino.cli import main

    wrong = (ROOT / "tests/wrong_answers/01/1_2_center_added.py").read_text()
    put(learner, e1_1=solution("01", "1-1"), e1_2=wrong, e1_3="def cross_entropy(:")
    assert main(["check", "1"]) == 1
    said = capsys.readouterr().out
    assert "✓ 1.1  softmax with a temperature\n" in said
    assert "✗ 1.2" in said and "You added the center" in said
    assert "✗ 1.3" in said and "SyntaxError" in said
    assert "· 1.4" in said and "· 1.5" in said and "not started" in said
    assert "1 of 5 done" in said
    kept = notes(learner.parent / FILE)  # for `minidino status`
    assert [kept[f"1.{i}"]["status"] for i in (1, 2, 4)] == ["done", "wrong", "not started"]


def test_an_unsolved_exercise_blocks_nothing_else(learner):
    """In the empty notebook every cell that is not the learner's own runs."""
    results, errors = course.check(learner, progress=False)
    assert [r.status for r in results] == ["not started"] * 5
    assert errors == []


@pytest.mark.slow
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.name[:2])
def test_unsolved_exercises_block_nothing_else(path):
    results, errors = course.check(ROOT / "notebooks" / path.name, progress=False)
    assert {r.status for r in results} == {"not started"}
    assert errors == []


def test_a_finished_notebook_is_done(learner, capsys):
    from minidino.cli import main

    shutil.copy(ROOT / "solutions" / learner.name, learner)
    before = learner.read_bytes()
    assert main(["check", "01"]) == 0
    assert "5 of 5 done" in capsys.readouterr().out
    assert learner.read_bytes() == before


def test_reset_keeps_what_the_learner_wrote(learner, capsys):
    from minidino.cli import main

    fresh = learner.read_bytes()
    put(learner, e1_1="mine = 1")
    mine = learner.read_bytes()
    assert main(["reset", "01"]) == 0
    assert learner.read_bytes() == fresh
    (kept,) = learner.parent.glob("*.mine-*.ipynb")
    assert kept.read_bytes() == mine and kept.name in capsys.readouterr().out
    assert main(["reset", "01"]) == 0  # nothing of the learner's: nothing to keep
    assert len(list(learner.parent.glob("*.mine-*.ipynb"))) == 1


@pytest.mark.parametrize("command", ["check", "reset"])
def test_an_unknown_or_broken_notebook_is_one_line(learner, command, capsys, monkeypatch):
    from minidino.cli import main

    assert main([command, "77"]) == 2
    assert 'no notebook "77"' in capsys.readouterr().err
    broken = learner if command == "check" else Path("solutions") / learner.name
    broken.write_text("not a notebook")
    assert main([command, "01"]) == 2
    assert "not a readable notebook" in capsys.readouterr().err
