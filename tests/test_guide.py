"""``minidino status`` and ``hint``: what checks said is kept, and hints come one by one."""

import re
import shutil
from pathlib import Path

import pytest

from minidino import checks, cli
from minidino.course import guide
from minidino.course.notebooks import exercises, read
from minidino.course.progress import FILE, note, notes

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = {path.name[:2]: read(path) for path in sorted((ROOT / "solutions").glob("*.ipynb"))}
EXERCISES = [(nn, e) for nn, notebook in SOLUTIONS.items() for e in exercises(notebook)]


@pytest.fixture
def learner(tmp_path, monkeypatch):
    """A clone with two notebooks, and somebody whose kernel runs in notebooks/."""
    for folder in ("solutions", "notebooks"):
        (tmp_path / folder).mkdir()
        for name in ("00_tour.ipynb", "01_softmax_walkthrough.ipynb"):
            shutil.copy(ROOT / folder / name, tmp_path / folder)
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv("MINIDINO_REPORT", raising=False)
    return tmp_path / "notebooks"


def by_rows(x):
    return x / x.norm(dim=1, keepdim=True)


def by_columns(x):
    return x / x.norm(dim=0)


def test_what_a_check_said_last_is_kept_beside_the_notebook(learner, capsys):
    with pytest.raises(AssertionError):
        checks.check_0_1(by_columns)
    assert notes(learner / FILE)["0.1"]["status"] == "wrong"
    assert cli.main(["status"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^00 tour +✗·· +31 minutes left$", said, re.MULTILINE), said  # 11 + 20
    assert re.search(r"^01 softmax walkthrough +·{5} +65 minutes left$", said, re.MULTILINE), said
    assert "8 exercises: 0 done ✓, 7 not started ·, 1 wrong ✗; 1 h 36 left" in said
    checks.check_0_1(by_rows)
    assert cli.main(["status"]) == 0
    said = capsys.readouterr().out
    # 3 of 11 minutes are written, and a third of the 20 read.
    assert re.search(r"^00 tour +✓·· +22 minutes left$", said, re.MULTILINE), said
    assert str(learner / FILE) in said


def test_a_whole_notebook_done_has_no_minutes_left(learner, capsys):
    for number in ("0.1", "0.2", "0.3"):
        note(learner / FILE, number=number, status="done", hint="")
    assert cli.main(["status"]) == 0
    assert re.search(r"^00 tour +✓✓✓ +done$", capsys.readouterr().out, re.MULTILINE)


def test_only_a_learners_own_answers_are_kept(learner, monkeypatch, capsys):
    with checks.example():
        checks.check_0_1(by_columns)
    assert "You normalised the columns" in capsys.readouterr().out
    monkeypatch.chdir(learner.parent)  # not where Jupyter runs a notebook of notebooks/
    checks.check_0_1(by_rows)
    monkeypatch.chdir(learner.parent / "solutions")
    checks.check_0_1(by_rows)
    assert not (learner / FILE).exists()


def test_an_example_of_a_wrong_answer_is_not_reported_either(learner, monkeypatch, tmp_path):
    """Else `minidino check 00` would never say that all is done."""
    monkeypatch.setenv("MINIDINO_REPORT", str(tmp_path / "report"))
    checks.check_0_1(by_rows)
    with checks.example():
        checks.check_0_1(by_columns)
    assert notes(tmp_path / "report")["0.1"]["status"] == "done"


@pytest.mark.parametrize("nn", SOLUTIONS)
def test_notebooks_call_checks_in_check_cells_or_as_examples(nn):
    for cell in SOLUTIONS[nn].cells:
        if cell.cell_type == "code" and not cell.id.startswith("check-"):
            calls = re.findall(r"^(.*)checks\.check_\d", cell.source, re.MULTILINE)
            assert not calls or "with checks.example():" in cell.source, cell.id


def test_a_note_cut_short_and_a_folder_that_is_read_only_cost_nothing(learner):
    (learner / FILE).write_text('{"number": "0.1", "status": "done", "hint": ""}\n{"numb')
    assert [s.statuses[0] for s in guide.standing()] == ["done", "not started"]
    (learner / FILE).unlink()
    (learner / FILE).mkdir()  # root may write anywhere but into a folder
    checks.check_0_1(by_rows)


DAMAGED = [b"[1]", b'{"status": "done"}', b"\xff", b'{"number": "0.1", "status": "weird"}',
           b'{"number": "0.1", "hints": "two"}', b'{"number": "0.1", "status": "wrong", "hint": 7}',
           b'"0.1"', b"null", b""]  # fmt: skip


@pytest.mark.parametrize("line", DAMAGED, ids=repr)
def test_a_damaged_line_is_left_out_and_those_around_it_stand(line, learner, capsys):
    note(learner / FILE, number="0.1", status="done", hint="")
    with (learner / FILE).open("ab") as file:
        file.write(line + b"\n")
    note(learner / FILE, number="0.2", status="wrong", hint="not that")
    assert cli.main(["status"]) == 0
    assert re.search(r"^00 tour +✓✗· ", capsys.readouterr().out, re.MULTILINE)
    for number, told in (("0.1", "Hint 1 of 3"), ("0.2", "Your last check said: not that")):
        code, said = hint(number, capsys)
        assert code == 0 and told in said


def test_reset_begins_again(learner, capsys):
    note(learner / FILE, number="0.1", status="done", hint="", hints=2)
    assert cli.main(["reset", "00"]) == 0
    assert (
        notes(learner / FILE)["0.1"] | {"status": "not started", "hints": 0}
        == notes(learner / FILE)["0.1"]
    )


def test_a_fresh_clone_has_the_minutes_that_the_readme_tells(learner):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d\d) .*\| (\d+) \+ (\d+) \| [^|]+ \|$", readme, re.MULTILINE)
    told = {nn: int(write) + int(read) for nn, write, read in rows}
    assert {s.name[:2]: s.minutes for s in guide.standing()} == {n: told[n] for n in ("00", "01")}


def test_the_page_for_teachers_shows_what_status_prints(tmp_path, monkeypatch, capsys):
    """A fresh course with the marks that the page shows."""
    page = (ROOT / "docs/teaching.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\n((?:[^`\n]+\n)*.* left\n)```$", page, re.MULTILINE)
    assert cli.main(["course", str(tmp_path / "class")]) == 0
    monkeypatch.chdir(tmp_path / "class")
    words = {"✓": "done", "✗": "wrong"}
    for nn, marks in re.findall(r"^(\d\d) .* ([✓✗·]+) ", shown, re.MULTILINE):
        for i, mark in enumerate(marks, 1):
            if mark in words:
                note(Path("notebooks", FILE), number=f"{int(nn)}.{i}", status=words[mark], hint="")
    capsys.readouterr()
    assert cli.main(["status"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(shown.splitlines()) == 2 and set(shown.splitlines()) <= set(printed), printed


def named(text):
    """What a plan names: "3.1 (the matrix), 3.3 to 3.5" are four exercises, "03" is a notebook."""
    found = {e for nn in re.findall(r"\b\d\d\b(?!\.)", text) for e in exercises(SOLUTIONS[nn])}
    said = {}
    for nn, first, last in re.findall(r"\b(\d+)\.(\d)(?: to \d+\.(\d))?", text):
        span = range(int(first), int(last or first) + 1)
        said.setdefault(nn, set()).update(f"{nn}-{k}" for k in span)
    return {e for e in found if e.split("-")[0] not in said}.union(*said.values())


def test_plans_for_teachers_have_the_minutes_of_what_they_name_and_weeks_leave_nothing_out():
    minutes = {e: m for n in SOLUTIONS.values() for e, m in guide._to_write(n).items()}
    page = (ROOT / "docs/teaching.md").read_text(encoding="utf-8")
    found = re.findall(
        r"^\| ([^|]*)\| (\d\d[^|]*) \| (\d[^|]*) \| ([^|]*\|[^|]*)", page, re.MULTILINE
    )
    assert len(found) == 14
    for when, plan, told, then in found:
        each = [named(part) for part in plan.split(" or ")]
        assert " or ".join(str(sum(minutes[e] for e in some)) for some in each) == told, plan
        if when.strip().isdigit() and not re.search("the others|the rest", then):
            assert named(then) == each[0], plan


# ---------------------------------------------------------------- hints


def hint(number, capsys):
    code = cli.main(["hint", number])
    out = capsys.readouterr()
    return code, out.out + out.err


def test_hints_come_one_by_one(learner, capsys):
    code, first = hint("00.2", capsys)
    assert code == 0 and first.startswith("Hint 1 of 3 for 0.2\n")
    assert "say in one sentence" in first and "never the image itself" in first
    assert "fill_diagonal" not in first
    _, second = hint("0.2", capsys)
    assert "Hint 2 of 3" in second and "What stands on its diagonal?" in second
    assert "`unit @ unit.T`" in second and "Hint 1" not in second
    _, third = hint("0-2", capsys)
    assert "Hint 3 of 3" in third
    _, all_of_them = hint("0.2", capsys)
    assert all_of_them.count("Hint ") == 3 and "These are all." in all_of_them
    assert "minidino check 00" in all_of_them
    assert "Hint 1 of 3 for 0.1" in hint("0.1", capsys)[1]  # each exercise by itself


def test_the_first_hint_repeats_what_the_check_said(learner, capsys):
    with pytest.raises(AssertionError):
        checks.check_0_1(by_columns)
    assert "Your last check said: You normalised the columns" in " ".join(
        hint("0.1", capsys)[1].split()
    )
    assert "Your last check" not in hint("0.1", capsys)[1]


@pytest.mark.parametrize(("nn", "exercise"), EXERCISES)
def test_hints_are_readable_and_are_not_the_solution(nn, exercise):
    steps = guide.steps_of(SOLUTIONS[nn], exercise)
    assert len(steps) == 3
    said = "\n".join(steps)
    assert not re.search(r"</?(code|em|i|summary|details)>|&[lg]t;", said)
    (cell,) = (c for c in SOLUTIONS[nn].cells if c.id == f"exercise-{exercise}")
    region = re.search(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL)
    lines = [line.strip() for line in region.group(1).splitlines() if line.strip()]
    squeezed = "".join(said.split())
    assert any("".join(line.split()) not in squeezed for line in lines)


@pytest.mark.parametrize(
    ("asked", "told"),
    [("seven", "named like 03.4"), ("0.9", "there are 0.1, 0.2, 0.3"), ("77.1", "no notebook")],
)
def test_a_hint_for_what_is_not_there_is_one_line(learner, asked, told, capsys):
    code, said = hint(asked, capsys)
    assert code == 2 and told in said and said.count("\n") == 1


def test_without_a_course_status_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minidino.course.place.is_course", lambda folder: False)
    assert cli.main(["status"]) == 2
    assert "no notebooks/ here" in capsys.readouterr().err
