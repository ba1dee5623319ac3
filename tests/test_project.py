"""What is said in two places is the same in both, and the package keeps its order."""

import ast
import importlib.util
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
FLOW = ["linear", "vit", "pixels", "crops", "head", "loss", "teacher", "schedules", "collapse"]
ALLOWED = {"vit": {"minidino.linear"}, "crops": {"minidino.pixels"}}


@pytest.mark.parametrize("name", FLOW)
def test_the_pieces_stand_alone(name):
    tree = ast.parse((ROOT / "minidino" / f"{name}.py").read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    ours = {m for m in imported if m and m.startswith("minidino")}
    assert ours <= ALLOWED.get(name, set())


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
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
