"""How a notebook is opened where there is no clone of the repository: the cells that fetch it."""

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from minidino import __version__

REPOSITORY = "https://github.com/minidino/minidino"
TAG = f"v{__version__}"
COLAB = "https://colab.research.google.com"

BESIDE = """\
Where `minidino` is missing, as on Colab, run the next cell first. Elsewhere it does nothing."""
SET_UP = """# Fetches the course where it is missing, as on Colab; a PyTorch that is there stays.
import importlib.util

if importlib.util.find_spec("minidino") is None:
    import os
    import subprocess
    import sys
    import tomllib

    course = os.path.abspath("minidino-course")
    if not os.path.exists(course):
        source = ["--branch", "{tag}", "{repository}"]
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", *source, course], check=True)
    with open(f"{{course}}/pyproject.toml", "rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    if importlib.util.find_spec("torch"):
        needed = [n for n in needed if not n.startswith(("torch>", "torchvision>"))]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *needed], check=True)
    sys.path.insert(0, course)
    os.environ["PYTHONPATH"] = course  # for: !python -m minidino status
    os.chdir(f"{{course}}/notebooks")"""


def badge(name: str) -> str:
    """Markdown of the badge that opens a notebook of ``notebooks/`` in Colab."""
    path = f"{REPOSITORY.removeprefix('https://github.com/')}/blob/{TAG}/notebooks/{name}"
    return f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({COLAB}/github/{path})"


def with_doors(notebook: NotebookNode, name: str) -> NotebookNode:
    """The notebook with a badge and a set-up cell under its title; ``name`` is its file's."""
    doors = [
        new_markdown_cell(f"{badge(name)}\n{BESIDE}", id="open-anywhere"),
        new_code_cell(SET_UP.format(tag=TAG, repository=REPOSITORY), id="set-up"),
    ]
    notebook.cells[1:1] = doors
    return notebook


def with_links_to_the_web(source: str) -> str:
    """Markdown of a notebook whose links to files of the repository lead to the repository."""
    for folder in ("docs", "minidino", "results"):
        source = source.replace(f"](../{folder}/", f"]({REPOSITORY}/blob/{TAG}/{folder}/")
    return source
