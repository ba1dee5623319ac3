"""How long each notebook takes: to write its exercises, to read it, and to run it whole.

    python tools/notebook_minutes.py          # writing and reading
    python tools/notebook_minutes.py --run    # also run each solution and take the time

Writing is what the exercises say. Reading counts the words outside code and hints, 100 a minute:
what people took who worked through, equations and figures included.
"""

import argparse
import re
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
WORDS_A_MINUTE = 100


def minutes(notebook: nbformat.NotebookNode) -> tuple[int, int]:
    """To write, and to read, rounded to 5."""
    text = [c for c in notebook.cells if c.cell_type == "markdown"]
    written = re.findall(r"· (\d+) minutes ·", "\n".join(c.source for c in text))
    words = sum(len(c.source.split()) for c in text if not c.id.startswith("hints"))
    return sum(map(int, written)), max(5, 5 * round(words / WORDS_A_MINUTE / 5))


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
