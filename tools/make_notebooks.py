"""Write ``notebooks/`` from ``solutions/``: exercises emptied, outputs dropped, doors added.

    python tools/make_notebooks.py            write them all
    python tools/make_notebooks.py --run 03   run a solution top to bottom first, keep its outputs

``--run`` takes numbers, or nothing for all. Outputs are kept as the notebook shows them;
what differs from run to run for no reason (execution times, widget state) is dropped. How long each
took is kept in ``results/notebooks-cpu.json`` (on a GPU: ``notebooks-cuda.json``).
"""

import argparse
import base64
import io
import json
import os
import time
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

from minidino.course.notebooks import empty, fresh, read, write
from minidino.course.smoke import sized
from minidino.engine.machine import pick_device
from minidino.run.provenance import provenance

ROOT = Path(__file__).resolve().parents[1]
GOAL_WIDTH = 720  # pixels


def run(path: Path) -> None:
    """Execute a solution in a fresh kernel and keep what its cells print and draw."""
    notebook = read(path)
    os.environ["MINIDINO_STATIC"] = "1"  # a page has no sliders
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(ROOT)}}).execute()
    clean = empty(notebook)  # for its metadata
    notebook.metadata = clean.metadata
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags} if tags else {}
        if cell.cell_type == "code":
            # Progress bars and warnings go to stderr; they are of no use on the page.
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            for output in cell.outputs:
                output.pop("transient", None)
    write(notebook, path)


def note_seconds(number: str, seconds: float) -> None:
    """Keep how long a notebook took, and where."""
    device = pick_device(None)
    file = ROOT / "results" / f"notebooks-{device.type}.json"
    took = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    where = {name: value for name, value in provenance(device).items() if name != "minidino"}
    took[number] = {"seconds": round(seconds), **where}
    file.write_text(json.dumps(dict(sorted(took.items())), indent=1) + "\n", encoding="utf-8")
    print(f"{number} took {seconds:.0f} s", flush=True)


def hang_goal(notebook: NotebookNode) -> None:
    """Put the figure that a notebook leads to (tag ``goal``) on its first page, small."""
    for cell in notebook.cells:
        if "goal" in cell.metadata.get("tags", []):
            drawn = next((o.data for o in cell.outputs if "image/png" in o.get("data", {})), None)
            if drawn is None:  # it has not been run
                continue
            picture = Image.open(io.BytesIO(base64.b64decode(drawn["image/png"]))).convert("RGB")
            picture.thumbnail((GOAL_WIDTH, GOAL_WIDTH))
            small = io.BytesIO()
            picture.quantize(64).save(small, "png", optimize=True)
            png = base64.b64encode(small.getvalue()).decode()
            notebook.cells[0].attachments = {"goal.png": {"image/png": png}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", nargs="*", metavar="NN", help="execute these solutions first")
    wanted = parser.parse_args().run
    if wanted is not None and sized(full=False, smoke=True):
        # The figures kept would be those of a few steps, beside words about the full run.
        parser.error("unset MINIDINO_SMOKE: the outputs that are kept are those of the full size")
    for path in sorted((ROOT / "solutions").glob("[0-9][0-9]_*.ipynb")):
        ran = wanted is not None and (not wanted or path.name[:2] in wanted)
        if ran:
            began = time.perf_counter()
            run(path)
            note_seconds(path.name[:2], time.perf_counter() - began)
        solution = read(path)
        if ran or "attachments" not in solution.cells[0]:
            hang_goal(solution)
            write(solution, path)
        write(fresh(path), ROOT / "notebooks" / path.name)


if __name__ == "__main__":
    main()
