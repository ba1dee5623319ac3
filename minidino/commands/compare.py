"""``minidino compare``."""

import json
import signal
from pathlib import Path
from typing import Literal

from minidino import plots
from minidino.config import OBJECTIVES
from minidino.errors import UserError, check_ours
from minidino.run.files import check_json, write_text
from minidino.run.interrupts import RunStopped
from minidino.using.compare import RANDOM, compare
from minidino.using.tables import LEGEND, comparison_figure, markdown


def compare_command(
    recipe: str = "things",
    objectives: tuple[str, ...] = (RANDOM, *OBJECTIVES),
    ablations: tuple[str, ...] = (),
    seeds: int = 3,
    out: Path | None = None,
    runs: Path = Path("runs/compare"),
    split: Literal["test", "val"] = "test",
    processes: int | None = None,
    device: str | None = None,
) -> None:
    """Train a recipe with several objectives and seeds, and put their scores side by side.

    Every run sees the same images, as often. What is stopped goes on where it was when the same
    command is given again, and what OUT.json already has is not run again, nor lost. Writes
    OUT.json, OUT.md and OUT.png.

    Args:
        recipe: Where the settings come from.
        objectives: random (no training), dino, supervised, simclr, moco, byol, swav, mae, lejepa.
        ablations: Changes of DINO: no-centering, no-sharpening, teacher-is-copy, mse, patch-4,
            resnet18, koleo-0.1, ...; a name that is none lists them all.
        seeds: Runs of each.
        out: The three files, without suffix (default: compare-RECIPE in the folder of the runs).
        runs: Folder for the runs.
        split: test to report; val to choose settings by.
        processes: Runs at a time (default: one a core on a CPU, one on a GPU).
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
    """
    if seeds < 1 or (processes is not None and processes < 1):
        raise UserError("--seeds and --processes must be positive")
    variants = list(dict.fromkeys((*objectives, *ablations)))
    if not variants:
        raise UserError("nothing to compare: name objectives or ablations")
    out = out or runs / f"compare-{recipe}"
    table, text, figure = (out.with_name(f"{out.name}.{kind}") for kind in ("json", "md", "png"))
    out.parent.mkdir(parents=True, exist_ok=True)  # hours of training come before the writing
    plots.check_target(figure)
    kept = "holds no comparison; choose another --out"
    check_ours(text, lambda file: LEGEND in file.read_text(encoding="utf-8"), kept)
    check_json(table, "runs", kept)
    how = {"split": split, "processes": processes, "device": device}
    try:
        found = compare(recipe, variants, seeds, runs, earlier=table, **how)
    except KeyboardInterrupt as stop:
        number = stop.exit_code - 128 if isinstance(stop, RunStopped) else signal.SIGINT
        said = f"stopped; {runs} has what was done so far, and the same command goes on with it"
        raise RunStopped(said, number) from None
    write_text(table, json.dumps(found, indent=1) + "\n")
    write_text(text, markdown(found))
    plots.save(comparison_figure(found), figure)
    print(f"{markdown(found)}\nwrote {table}, {text} and {figure}")
