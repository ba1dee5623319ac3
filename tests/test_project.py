"""What is said in two places is the same in both, and the package keeps its order."""

import ast
import graphlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minidino
from minidino import checks
from minidino.checks.core import Wrong
from minidino.config import RECIPES, recipe

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_dependency_is_bounded_on_both_sides():
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    groups += PYPROJECT["dependency-groups"].values()
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
    assert all(f"{system}-latest" in workflow for system in ("ubuntu", "macos", "windows"))


def test_makefile_and_readme_install_the_same():
    extras = ",".join(PYPROJECT["project"]["optional-dependencies"])
    for name in ("Makefile", "README.md"):
        assert f".[{extras}]" in (ROOT / name).read_text(), name


def test_jupyterlab_serves_what_the_links_of_notebooks_lead_to(monkeypatch):
    """A folder as argument becomes the root, whatever else is said, and ../solutions is outside."""
    from jupyter_server.serverapp import ServerApp

    monkeypatch.chdir(ROOT)
    for name in ("Makefile", "README.md"):
        (options,) = re.findall(r"jupyter lab ([^`\n]+)", (ROOT / name).read_text(encoding="utf-8"))
        server = ServerApp()
        server.parse_command_line(options.split())
        assert Path(server.root_dir) == ROOT, name
        assert (ROOT / server.preferred_dir / "00_tour.ipynb").exists(), name


@pytest.mark.parametrize(
    "tool", [*ROOT.glob("tools/*.py"), *ROOT.glob("benchmarks/*.py")], ids=lambda p: p.stem
)
def test_a_program_says_what_it_does_before_it_does_it(tool):
    """With --help, which otherwise is passed over, or taken for the name of something."""
    _, runs, end = tool.read_text(encoding="utf-8").partition('if __name__ == "__main__":')
    assert "sys.argv" not in tool.read_text(encoding="utf-8")
    assert not runs or "tyro.cli(main)" in end or ".parse_args()" in tool.read_text("utf-8")


def test_everything_imported_is_declared():
    def names(requirements: list[str]) -> set[str]:
        found = {re.split(r"[><=]", r)[0] for r in requirements}
        return {"PIL" if name == "pillow" else name for name in found}

    project = PYPROJECT["project"]
    for file in (ROOT / "minidino").rglob("*.py"):
        declared = names(project["dependencies"])
        if file.parent.name == "course":  # what notebooks need, only the notebooks' commands need
            declared |= names(project["optional-dependencies"]["course"])
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            for top in (m.split(".")[0] for m in modules):
                assert top in declared | sys.stdlib_module_names | {"minidino"}, (file.name, top)


# ------------------------------------------------------------------ the house

PACKAGE = ROOT / "minidino"
# What stands on a line may import what stands above it. On one line nothing goes in a circle.
STOREYS = """
    errors
    limits
    vit convnet
    pixels
    crops
    head
    loss
    teacher
    schedules
    collapse
    config evaluate attention plots
    data engine
    trainer
    rivals successors
    run weights
    train
    using
    course checks
    commands cli
    __main__
"""
STOREY = {room: i for i, line in enumerate(STOREYS.split("\n")) for room in line.split()}
PIECES = ["vit", "convnet", "pixels", "crops", "head", "loss", "teacher", "schedules", "collapse"]


def modules() -> dict[str, Path]:
    """Every file of the package by its name without ``minidino.``: "vit", "data.things"."""
    named = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        named[".".join(p for p in parts if p != "__init__")] = file
    return named


def arrows(named: dict[str, Path]) -> dict[str, set[str]]:
    """What each module imports of the package, wherever in the file it does so."""
    found = {}
    for name, file in named.items():
        targets = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets |= {a.name for a in node.names}
            if isinstance(node, ast.ImportFrom) and node.module:
                assert node.level == 0, f"{name}: imports are written in full"
                for a in node.names:
                    inner = f"{node.module}.{a.name}"
                    targets.add(inner if inner.removeprefix("minidino.") in named else node.module)
        ours = {t.removeprefix("minidino.") for t in targets if t.startswith("minidino.")}
        found[name] = ours - {name}
    return found


def against_the_order(imports: dict[str, set[str]]) -> list[str]:
    """Arrows that lead to a later storey, or from one piece of the method to no piece."""
    back = []
    for name, targets in imports.items():
        here = name.split(".")[0]
        for target in targets if here else ():
            there = target.split(".")[0]
            if STOREY[there] > STOREY[here] or (here in PIECES and there not in PIECES):
                back.append(f"{name} -> {target}")
    return back


def circles(imports: dict[str, set[str]]) -> list[str]:
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_every_arrow_between_rooms_goes_one_way():
    imports = arrows(modules())
    assert len(imports) > 70 and sum(map(len, imports.values())) > 200
    assert against_the_order(imports) == []
    assert circles(imports) == []
    rooms: dict[str, set[str]] = {}
    for name, targets in imports.items():
        here = name.split(".")[0]
        rooms.setdefault(here, set()).update({t.split(".")[0] for t in targets} - {here})
    assert circles(rooms) == []


def test_the_order_of_the_house_is_watched():
    """A loss that reads settings, a trainer that reads checkpoints, two files in a circle."""
    assert against_the_order({"loss": {"errors"}}) == ["loss -> errors"]
    assert against_the_order({"head": {"config"}}) == ["head -> config"]
    assert against_the_order({"trainer": {"run.checkpoint"}}) == ["trainer -> run.checkpoint"]
    assert against_the_order({"run.plan": {"trainer"}, "crops": {"pixels"}}) == []
    assert circles({"run.a": {"run.b"}, "run.b": {"run.a"}})


def test_rooms_are_small():
    assert len(list(PACKAGE.glob("*.py"))) <= 20
    for file in PACKAGE.rglob("*.py"):
        text, checks = file.read_text(encoding="utf-8"), "checks" in file.parts
        assert text.count("\n") <= (700 if checks else 350), file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and not checks:
                assert node.end_lineno - node.lineno < 60, f"{file}: {node.name}"


# No other name have the calls by which PyTorch's own optimizers treat many tensors at once, the
# store through which processes can speak when their group is broken, and what tells a check which
# operators an answer called, or that it returned a view. ``os._exit``, ``_thread.interrupt_main``
# and ``torch._dynamo.config.recompile_limit`` are documented.
PRIVATE = {
    "_foreach_add_", "_foreach_lerp_", "_foreach_mul_", "_foreach_norm", "_get_default_store",
    "_python_dispatch", "_pytree", "_is_view", "_dynamo", "_exit", "_thread",
}  # fmt: skip


def test_private_names_of_libraries_are_known():
    used = set()
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        defined = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
                own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
                used |= set() if own or node.attr in defined else {node.attr}
            if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("minidino"):
                parts = [*(node.module or "").split("."), *(a.name for a in node.names)]
                used |= {p for p in parts if re.match(r"_[^_]", p)}
    assert used == PRIVATE


def test_text_files_name_their_encoding():
    """Windows would take another one than the rest of the world."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
            if called in ("read_text", "write_text"):
                assert "encoding" in {k.arg for k in node.keywords}, (file, node.lineno)


# ------------------------------------------------------------------ public names


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout


@pytest.mark.alone
def test_importing_the_package_is_quick_and_needs_no_pytorch():
    took, torch_there = run_python(
        "import sys, time; t = time.perf_counter(); import minidino;"
        "print(time.perf_counter() - t, 'torch' in sys.modules)"
    ).split()
    assert float(took) < 0.3 and torch_there == "False"


def test_commands_and_checks_start_without_what_takes_as_long_as_pytorch():
    """torchvision brings torch._dynamo along; a ViT on a folder or on things needs neither."""
    for entry in ("minidino.cli", "minidino.checks"):
        there = run_python(f"import {entry}, sys; print(*sys.modules)").split()
        assert not {"torchvision", "torch._dynamo", "timm", "sklearn"} & set(there), entry


def test_notebooks_are_read_without_a_grammar_of_web_addresses():
    """jsonschema's, three seconds: more than all else that `minidino status` does."""
    there = run_python("import minidino.course.notebooks, sys; print(*sys.modules)").split()
    assert "nbformat" in there and "rfc3987_syntax.syntax_helpers" not in there


def test_public_names_are_what_their_files_define():
    fixed = "VisionTransformer MultiCrop DINOHead DINOLoss update_teacher train recipe"
    fixed += " load_pretrained load_data extract_features knn_predict linear_probe attention_maps"
    assert set(minidino.__all__) == set(fixed.split()) <= set(dir(minidino))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in set(minidino.__all__) - {"train"}:
        public = getattr(minidino, name)
        assert public.__name__ == name and public.__module__.startswith("minidino.")
        assert f"`{name}`" in readme, name
    with pytest.raises(AttributeError, match="no attribute 'DINOLos'"):
        minidino.DINOLos  # noqa: B018


@pytest.mark.parametrize("first", ["import minidino.train", "import minidino.cli", "pass"])
def test_train_can_be_called_however_it_was_imported(first):
    """It is a module and a function of one name; what is imported before must not matter."""
    code = f"{first}\nfrom minidino import train\nprint(callable(train), train.TrainResult)"
    assert run_python(code).startswith("True <class 'minidino.train.TrainResult'>")


def test_the_ten_lines_of_python_in_the_readme_run(tmp_path, monkeypatch):
    """As they stand there, but for the length of the training and the number of images."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"### In Python\n.*?```python\n(.*?)```", readme, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 12
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minidino.data.THINGS_IMAGES", {"train": 128, "val": 40, "test": 40})
    monkeypatch.setitem(RECIPES, "things", recipe("things", max_images=128, epochs=1, snapshots=0))
    names: dict = {}
    exec(code, names)
    assert names["maps"].shape == (8, 12, 10, 10)
    assert (tmp_path / "runs/mine/checkpoint.pt").exists() and 0 <= names["accuracy"] <= 1


# ------------------------------------------------------------------ security

# Calls that run, or may run, what a file or the network holds; what to use instead.
FORBIDDEN = {
    r"(builtins\.)?(eval|exec|compile|__import__)": "code is not made of text",
    r"(c?[pP]ickle|dill|cloudpickle|joblib|marshal|shelve)\.\w+": "torch.load(weights_only=True)",
    r"(pd|pandas)\.read_pickle": "torch.load(weights_only=True)",
    r"os\.(system|popen|exec\w+|spawn\w+)": "subprocess with a list",
    r"(subprocess\.)?(getoutput|getstatusoutput)": "subprocess with a list",
    r"yaml\.(load|load_all|unsafe_load|full_load)": "yaml.safe_load",
    r"(.+\.)?extract(all)?": "names in an archive may lead outside",
    r"(shutil\.)?unpack_archive": "names in an archive may lead outside",
    r"(torchvision\.datasets\.utils\.)?(download_and_)?extract_archive": "names may lead outside",
    r"(tempfile\.)?mktemp": "mkstemp",
    r"(.+\.)?(urlopen|urlretrieve)|requests\.\w+": "a download that is checked",
    r"(torch\.)?hub\.(load|load_state_dict_from_url)": "a download that is checked",
}
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def dangers(source: str) -> list[str]:
    """What of a piece of Python could run, or write, what somebody else decided."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in UNPICKLERS]
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")[0]
            names = {a.name for a in node.names}
            if module in {*UNPICKLERS, "subprocess"} or (
                module == "os" and names & {"system", "popen"}
            ):
                found.append(f"from {module}")
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {k.arg: ast.unparse(k.value) for k in node.keywords}
        found += [called for pattern in FORBIDDEN if re.fullmatch(pattern, called)]
        if re.fullmatch(r"(torch\.)?load", called) and given.get("weights_only") != "True":
            found.append("torch.load without weights_only=True")
        if given.get("allow_pickle", "False") != "False":
            found.append("allow_pickle")
        if given.get("shell", "False") != "False":
            found.append("shell")
        if re.fullmatch(r"subprocess\.(run|Popen|call|check_call|check_output)", called):
            command = node.args[0] if node.args else None
            if not isinstance(command, ast.List):
                found.append("subprocess without a list")
        if "download_url_to_file" in called and "hash_prefix" not in given:
            found.append("a download without its hash")
    return found


# Every other download is torchvision's, which compares the MD5 of each of its archives.
@pytest.mark.parametrize("folder", ["minidino", "tools", "benchmarks", "solutions"])
def test_nothing_runs_what_it_reads(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    sources = {file.name: file.read_text(encoding="utf-8") for file in files}
    for file in (ROOT / folder).rglob("*.ipynb"):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        lines = "\n".join(code).splitlines()
        sources[file.name] = "\n".join("" if x.lstrip()[:1] in "%!" else x for x in lines)
    assert sources
    assert {name: found for name, text in sources.items() if (found := dangers(text))} == {}


@pytest.mark.parametrize(
    "snippet",
    [
        "import pickle",
        "from pickle import load",
        "import numpy as np, joblib",
        "pickle.loads(b)",
        "pd.read_pickle(p)",
        "eval(text)",
        "exec(text)",
        "builtins.eval(text)",
        "__import__(name)",
        "os.system('ls')",
        "os.popen(name)",
        "from os import system",
        "from subprocess import run",
        "subprocess.run('ls ' + name)",
        "subprocess.run(command)",
        "subprocess.Popen(args=command)",
        "subprocess.check_output(f'ls {name}')",
        "subprocess.run(['ls'], shell=True)",
        "subprocess.run(['ls'], shell=wanted)",
        "subprocess.getoutput('ls')",
        "yaml.load(text)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "torch.load(p, weights_only=safe)",
        "np.load(p, allow_pickle=True)",
        "zipfile.ZipFile(p).extractall()",
        "archive.extract(name)",
        "tarfile.open(p).extractall(filter='data')",
        "shutil.unpack_archive(p)",
        "extract_archive(p)",
        "tempfile.mktemp()",
        "urllib.request.urlopen(url)",
        "urlretrieve(url, p)",
        "requests.get(url)",
        "torch.hub.load('x/y', 'z')",
        "torch.hub.load_state_dict_from_url(url)",
        "torch.hub.download_url_to_file(url, p)",
    ],
)
def test_the_search_for_dangers_finds(snippet):
    assert dangers(f"def f():\n    {snippet}")


def test_the_search_for_dangers_lets_the_rest_pass():
    for snippet in (
        "torch.load(p, weights_only=True)",
        "np.load(p)",
        "subprocess.run(['ls', name], capture_output=True)",
        "model.eval()",
        "json.load(f)",
        "re.compile(pattern)",
        "features = extract_features(x)",
        "tempfile.mkstemp()",
        "torch.hub.download_url_to_file(url, p, hash_prefix=digest)",
    ):
        assert dangers(snippet) == [], snippet


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


def test_tables_of_speed_are_those_of_the_results():
    spec = importlib.util.spec_from_file_location("speed_tables", ROOT / "tools/speed_tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    for document in tables.DOCUMENTS:
        text = document.read_text()
        assert "images/s" in text or "Images per second" in text
        assert tables.written(text) == text, "run: python tools/speed_tables.py"


def test_links_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("results/**/*.md")]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    for notebook in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        texts[notebook] = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] != "code")
    for page, text in texts.items():
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if not target.startswith(("http://", "https://", "attachment:")):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_every_row_of_compatibility_names_a_test_that_is_there():
    text = (ROOT / "docs/compatibility.md").read_text(encoding="utf-8")
    rows = [r for r in text.splitlines() if r.startswith("| ") and not r.startswith("| ---")]
    rows = [r for r in rows if not r.endswith("| test |")]
    assert len(rows) > 35
    for row in rows:
        files = re.findall(r"`(test_\w+\.py)`", row.split(" | ")[-1])
        assert files and all((ROOT / "tests" / f).exists() for f in files), row


def test_the_readme_tells_how_many_answers_were_tried_and_what_a_check_says():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    wrong, right = (
        len([*(ROOT / "tests" / folder).glob("*/*.py")])
        for folder in ("wrong_answers", "right_answers")
    )
    assert f"{wrong:,} wrong answers" in readme and f"and {right} right ones" in readme
    with pytest.raises(Wrong) as error:
        checks.check_1_1(lambda scores, temperature: (scores / temperature).softmax(0))
    assert f"✗ {error.value}" in readme
