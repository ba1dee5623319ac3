"""How long each notebook takes: to write its exercises, to read it, and to run it whole.

    python tools/notebook_minutes.py

Writing is what the exercises say. Reading counts the words outside code and hints, 100 a minute:
what people took who worked through, equations and figures included. Running is what
``tools/make_notebooks.py --run`` took on a CPU.
"""

import json
from pathlib import Path

import tyro

from minidino.course.guide import minutes
from minidino.course.notebooks import read

ROOT = Path(__file__).resolve().parents[1]


def running() -> dict[str, str]:
    """{"07": "5.1 min", ...} of the notebooks whose last run was timed."""
    took = json.loads((ROOT / "results/notebooks-cpu.json").read_text(encoding="utf-8"))
    seconds = {number: one["seconds"] for number, one in took.items()}
    return {n: f"{s} s" if s < 90 else f"{s / 60:.1f} min" for n, s in seconds.items()}


def main() -> None:
    """Print a line a notebook."""
    took = running()
    for path in sorted((ROOT / "solutions").glob("[0-9]*.ipynb")):
        write, reading = minutes(read(path))
        run = took.get(path.name[:2], "not timed")
        print(f"{path.stem:24s} {write:4d} + {reading:3d} minutes   {run:>9s} to run")


if __name__ == "__main__":
    tyro.cli(main)
