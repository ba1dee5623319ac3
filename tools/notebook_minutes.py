"""How long each notebook takes: to write its exercises, to read it, and to run it whole.

    python tools/notebook_minutes.py          # writing and reading
    python tools/notebook_minutes.py --run    # also run each solution and take the time

Writing is what the exercises say. Reading counts the words outside code and hints, 100 a minute:
what people took who worked through, equations and figures included.
"""

import argparse
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from minidino.course.guide import minutes

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", action="store_true")
    arguments = parser.parse_args()
    for path in sorted((ROOT / "solutions").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        write, read = minutes(notebook)
        line = f"{path.stem:24s} {write:4d} + {read:3d} minutes"
        if arguments.run:
            began = time.perf_counter()
            NotebookClient(
                notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}}
            ).execute()
            line += f"   {time.perf_counter() - began:5.0f} s to run"
        print(line, flush=True)


if __name__ == "__main__":
    main()
