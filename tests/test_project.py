"""What is said in two places is the same in both, and the package keeps its order."""

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_dependency_is_bounded_on_both_sides():
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (r for group in groups for r in group):
        assert ">=" in requirement and "<" in requirement.split(">=")[1], requirement


def test_environment_installs_this_repository_with_its_extras():
    """Its pip part defers to pyproject.toml, so no version can disagree; Python is stated twice."""
    text = (ROOT / "environment.yml").read_text()
    extras = re.search(r"- -e \.\[(.+)\]", text).group(1).split(",")
    assert set(extras) == set(PYPROJECT["project"]["optional-dependencies"])
    assert f"python{PYPROJECT['project']['requires-python']}" in text


def test_ci_holds_the_oldest_pytorch_that_is_allowed():
    workflow = (ROOT / ".github/workflows/test.yml").read_text()
    for name in ("torch", "torchvision"):
        (bounds,) = (r for r in PYPROJECT["project"]["dependencies"] if r.startswith(f"{name}>="))
        oldest = re.match(rf"{name}>=([\d.]+),", bounds).group(1)
        assert f"{name}=={oldest}.*" in workflow
    low, high = re.match(r">=3\.(\d+),<3\.(\d+)", PYPROJECT["project"]["requires-python"]).groups()
    for minor in range(int(low), int(high)):
        assert f'"3.{minor}"' in workflow


def test_makefile_and_readme_install_the_same():
    extras = ",".join(PYPROJECT["project"]["optional-dependencies"])
    for name in ("Makefile", "README.md"):
        assert f".[{extras}]" in (ROOT / name).read_text(), name


def test_everything_imported_is_declared():
    def names(requirements: list[str]) -> set[str]:
        found = {re.split(r"[><=]", r)[0] for r in requirements}
        return {"PIL" if name == "pillow" else name for name in found}

    project = PYPROJECT["project"]
    for file in (ROOT / "minidino").rglob("*.py"):
        declared = names(project["dependencies"])
        if file.name == "course.py":  # what notebooks need, only the notebooks' commands need
            declared |= names(project["optional-dependencies"]["course"])
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            for top in (m.split(".")[0] for m in modules):
                assert top in declared | sys.stdlib_module_names | {"minidino"}, (file.name, top)


# What a file may import of the package: only what stands to its left in the flow of data.
FLOW = ["vit", "pixels", "crops", "head", "loss", "teacher", "schedules", "collapse"]
ALLOWED = {"crops": {"minidino.pixels"}}


@pytest.mark.parametrize("name", FLOW)
def test_the_pieces_stand_alone(name):
    tree = ast.parse((ROOT / "minidino" / f"{name}.py").read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    ours = {m for m in imported if m and m.startswith("minidino")}
    assert ours <= ALLOWED.get(name, set())


def test_nothing_unpickles_or_evaluates_what_it_reads():
    for file in (ROOT / "minidino").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "pickle.load", "pickle.loads", "os.system"}, file
            if called == "torch.load":
                assert any(k.arg == "weights_only" and k.value.value is True for k in node.keywords)
            assert not any(k.arg == "shell" for k in node.keywords), file


def test_the_readme_tells_the_measured_numbers():
    """Every row of its table of seeds is what results/things says."""
    readme = (ROOT / "README.md").read_text()
    files = sorted((ROOT / "results/things").glob("seed*.json"))
    assert len(files) >= 3
    for file in files:
        s = json.loads(file.read_text())
        ratio = s["jaccard_best_head"] / s["jaccard_best_head_random"]
        row = (
            f"| {s['seed']} | {s['knn']:.1f}% | {s['knn_random']:.1f}% | "
            f"{s['jaccard_best_head']:.2f} | {s['jaccard_best_head_random']:.2f} | {ratio:.1f} x | "
            f"{s['train_seconds']:.0f} s |"
        )
        assert row in readme, row


def test_links_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("results/**/*.md")]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    for notebook in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        texts[notebook] = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] != "code")
    for page, text in texts.items():
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
