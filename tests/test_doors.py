"""The course opens anywhere: Colab's set-up cell, the wheel, containers."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import mistune
import pytest

import minidino
from minidino import cli
from minidino.course import doors
from minidino.course.notebooks import read

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# A program of a test's own environment, not of the one that the tests run in.
CLEAN = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MINIDINO_REPORT")}


def cell(notebook: str, name: str) -> str:
    cells = read(ROOT / "notebooks" / notebook).cells
    return next(c.source for c in cells if c.id == name)


def python_of(folder: Path) -> Path:
    """A virtual environment without pip in a folder, and its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


# ---------------------------------------------------------------- the set-up cell


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name[:2])
def test_under_its_title_a_notebook_has_the_two_cells(path):
    cells = read(path).cells
    assert cells[0].source.startswith("# ")
    assert [c.id for c in cells[1:3]] == ["open-anywhere", "set-up"]
    assert f"/blob/v{minidino.__version__}/notebooks/{path.name})" in cells[1].source


def test_the_repository_has_one_address():
    assert PYPROJECT["project"]["urls"]["Repository"] == doors.REPOSITORY
    assert doors.REPOSITORY in cell("00_tour.ipynb", "set-up")
    assert f'"{doors.REPOSITORY}"' in (ROOT / "docs/site/conf.py").read_text(encoding="utf-8")


def test_where_minidino_is_the_cell_does_nothing(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: 1 / 0)
    before, names = list(sys.path), {}
    exec(cell("00_tour.ipynb", "set-up"), names)
    assert sys.path == before and list(tmp_path.iterdir()) == []
    assert set(names) == {"__builtins__", "importlib"}


def with_what_it_needs(name: str, found: set[str]) -> set[str]:
    """An installed distribution and, in turn, all that it requires here."""
    found.add(name)
    for requirement in importlib.metadata.requires(name) or []:
        needed, _, marker = requirement.partition(";")
        needed = re.match(r"[\w.-]+", needed).group().lower().replace("_", "-")
        if "extra" not in marker and needed not in found:
            try:
                importlib.metadata.distribution(needed)
            except importlib.metadata.PackageNotFoundError:
                continue  # for another system
            with_what_it_needs(needed, found)
    return found


def lend(names: set[str], site: Path) -> None:
    """Make installed distributions importable in another environment, without copying them."""
    for name in names:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            there = Path(distribution.locate_file(top))
            if not (site / top).exists() and there.exists():
                if top.endswith(".dist-info"):
                    shutil.copytree(there, site / top)
                else:
                    (site / top).symlink_to(there)


def an_older_torch(site: Path) -> None:
    """As pip sees it: one that minidino's bounds would have pip replace."""
    (info,) = site.glob("torch-*.dist-info")
    metadata = (info / "METADATA").read_text(encoding="utf-8")
    (info / "METADATA").write_text(re.sub(r"(?m)^Version: .*$", "Version: 2.6.0", metadata))
    info.rename(site / "torch-2.6.0.dist-info")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="links need a right that Windows gives few people")
def test_the_cell_sets_up_a_machine_that_has_pytorch_and_no_minidino(tmp_path):
    """Colab, played: an environment with PyTorch, pip and git; the tag is this commit."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is nothing to fetch")
    published, home = tmp_path / "published", tmp_path / "content"
    subprocess.run(["git", "clone", "--quiet", ROOT, published], check=True)
    subprocess.run(["git", "-C", published, "tag", "--force", doors.TAG], check=True)
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    say_site = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    site = Path(subprocess.check_output(say_site, text=True).strip())
    lend(with_what_it_needs("torchvision", set()), site)
    an_older_torch(site)
    index = subprocess.run(
        [python, "-m", "pip", "download", "--no-deps", "--dest", tmp_path / "probe", "einops"],
        capture_output=True,
    )
    if index.returncode:
        pytest.skip("no package index can be reached")
    tour = read(ROOT / "notebooks/00_tour.ipynb").cells
    code = [c for c in tour if c.cell_type == "code"]
    solved = {c.id: c.source for c in read(ROOT / "solutions/00_tour.ipynb").cells}
    played = "\n\n".join(solved.get(c.id, c.source) for c in code)
    end = (
        "\nimport importlib.metadata, minidino\n"
        "print('torch', importlib.metadata.version('torch'), torch.__file__)\n"
        "print('minidino', minidino.__file__, os.getcwd())\n"
    )
    environment = CLEAN | {
        "MINIDINO_SMOKE": "1",
        "MPLBACKEND": "agg",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{published}.insteadOf",
        "GIT_CONFIG_VALUE_0": doors.REPOSITORY,
    }
    (home / "tour.py").write_text(played + end, encoding="utf-8")
    run = subprocess.run(
        [python, "tour.py"], cwd=home, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    assert "✓ 0.1" in run.stdout and "✓ 0.3" in run.stdout
    assert f"torch 2.6.0 {site}/torch/" in run.stdout  # the one that was there
    course = home / "minidino-course"
    assert f"minidino {course}/minidino/__init__.py {course}/notebooks" in run.stdout
    # Its checks are that person's progress, and the commands are there for `!python -m minidino`.
    assert (course / "notebooks/.progress.jsonl").exists()


# ---------------------------------------------------------------- minidino course, and the wheel


def test_the_course_is_put_anywhere_and_overwrites_nothing(tmp_path, capsys):
    assert cli.main(["course", str(tmp_path / "a/b")]) == 0
    assert f"wrote {len(NOTEBOOKS)} notebooks" in capsys.readouterr().out
    written = sorted((tmp_path / "a/b/notebooks").iterdir())
    assert [p.name for p in written] == [p.name for p in NOTEBOOKS]
    for path in written:
        assert (tmp_path / "a/b/solutions" / path.name).exists()
        for c in read(path).cells:
            assert "BEGIN SOLUTION" not in c.source
            for target in re.findall(r"\]\((\.\.?/[^)#\s]+|\w+\.ipynb)", c.source):
                assert (path.parent / target).exists(), f"{path.name}: {target}"
    written[0].write_text("mine")
    assert cli.main(["course", str(tmp_path / "a/b")]) == 2
    said = capsys.readouterr().err
    assert "is there already" in said and "minidino reset 00" in said and said.count("\n") == 1
    assert written[0].read_text() == "mine"


def test_what_notebooks_read_is_shipped_and_found_by_its_home():
    """In a wheel there is nothing beside the package: notebooks ask minidino.course.place.home."""
    shipped = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["sources"]
    assert all(
        (ROOT / part).exists() and to == f"minidino/course/shipped/{part}"
        for part, to in shipped.items()
    )
    for path in NOTEBOOKS:
        code = "\n".join(c.source for c in read(path).cells if c.cell_type == "code")
        assert not re.search(r"__file__\)\.(resolve\(\)\.)?parents\[1\]", code), path.name
        for part in re.findall(r'(?:home\(\)|ROOT) / "(\w+)', code):
            assert part in shipped, f"{path.name}: {part}"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Built from this tree, by the ordinary client."""
    folder = tmp_path_factory.mktemp("wheel")
    tried = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT],
        capture_output=True,
        text=True,
    )
    if tried.returncode and "hatch" in tried.stderr:
        pytest.skip("no package index can be reached, and the wheel is built by hatchling")
    assert tried.returncode == 0, tried.stderr
    return next(folder.glob("*.whl"))


def test_the_readme_has_addresses_where_it_has_no_neighbours():
    """On the package index, whose page of minidino is the README: read as Markdown is there."""
    hook = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for one in hook["substitutions"]:
        text = re.sub(one["pattern"], one["replacement"], text)
    places = re.findall(r'(?:href|src)="([^"]*)"', mistune.html(text))
    assert len(places) > 100 and all(p.startswith(("https://", "#")) for p in places)
    ours = [re.match(r"https://(?:raw|git)[^/]*/minidino/minidino/(.*)", p) for p in places]
    for place in filter(None, ours):
        file = place[1].removeprefix("blob/").removeprefix("main/").split("#")[0]
        assert (ROOT / file).exists(), place[0]
    assert "https://raw.githubusercontent.com/minidino/minidino/main/docs/attention.png" in places


@pytest.mark.slow
def test_from_the_wheel_alone_a_notebook_is_made_solved_and_checked(wheel, tmp_path):
    """What minidino needs is lent by this environment; minidino itself is the wheel's."""
    python = python_of(tmp_path / "venv")
    say_site = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    site = Path(subprocess.check_output(say_site, text=True).strip())
    install = ["install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True)
    needed = importlib.metadata.distribution("torch").locate_file("")
    (site / "lent.pth").write_text(f"{needed}\n")  # links that this folder itself has do not count

    def run(*words, cwd):
        done = subprocess.run(
            [python, "-m", "minidino", *words], cwd=cwd, env=CLEAN, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    read_metadata = "import importlib.metadata as m; print(m.metadata('minidino')['Description'])"
    shown = subprocess.check_output([python, "-c", read_metadata], env=CLEAN, text=True)
    assert "(https://github.com/minidino/minidino/blob/main/docs/claims.md)" in shown

    where = subprocess.check_output(
        [python, "-c", "import minidino; print(minidino.__file__)"], cwd=tmp_path, env=CLEAN
    )
    assert str(site) in where.decode()
    assert run("course", "course", cwd=tmp_path)[0] == 0
    course = tmp_path / "course"
    shutil.copy(course / "solutions/01_softmax_walkthrough.ipynb", course / "notebooks")
    code, said = run("check", "01", cwd=course)
    assert code == 0 and "5 of 5 done" in said, said
    code, said = run("status", cwd=course / "notebooks")
    assert code == 0 and "5 done ✓" in said, said
    code, said = run("reset", "01", cwd=course)
    assert code == 0 and "is empty again; yours is" in said, said
    weights = "from minidino import load_pretrained; print(load_pretrained('minidino_things'))"
    subprocess.run([python, "-c", weights], check=True, cwd=tmp_path, env=CLEAN)
    found = "from minidino.course.place import home; print(home())"
    home = subprocess.check_output([python, "-c", found], cwd=tmp_path, env=CLEAN, text=True)
    for part in ("results/compare-things-cpu.json", "benchmarks/contenders.py"):
        assert (Path(home.strip()) / part).exists(), part


# ---------------------------------------------------------------- containers


def test_containers_install_what_pyproject_asks_for():
    bounds = [d for d in PYPROJECT["project"]["dependencies"] if d.startswith("torch")]
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert all(f'"{bound}"' in docker for bound in bounds)
    devcontainer = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    low, high = re.findall(r"3\.(\d+)", PYPROJECT["project"]["requires-python"])
    pythons = [
        re.search(r"python:3\.(\d+)", docker),
        re.search(r"python:3\.(\d+)", devcontainer["image"]),
        re.search(r"python-3\.(\d+)", (ROOT / "binder/runtime.txt").read_text()),
    ]
    assert all(int(low) <= int(p.group(1)) < int(high) for p in pythons)
    for text in (
        docker,
        devcontainer["postCreateCommand"],
        "\n" + (ROOT / "binder/requirements.txt").read_text(),
    ):
        assert ".[course]" in text
