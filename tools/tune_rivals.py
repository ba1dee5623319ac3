"""The same search for every objective: base learning rates, short runs, validation images.

    python tools/tune_rivals.py     # writes results/tuning-things.json, prints a table

What it finds goes into ``minidino.config.TUNED`` by hand, and into docs/log.md.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import tyro

from minidino.config import OBJECTIVES
from minidino.run.files import write_text
from minidino.using.compare import Run, run_grid, settings_of

ROOT = Path(__file__).resolve().parents[1]
RATES = (1e-3, 2e-3, 4e-3, 8e-3, 16e-3)
EPOCHS = 2


def main() -> None:
    """Train every objective with every rate, two epochs each, and write their k-NN."""
    runs = [
        Run(
            objective,
            replace(settings_of("things", objective, 0).with_epochs(EPOCHS), base_lr=rate),
            ROOT / "runs" / "tune" / f"{objective}-{rate:g}",
            "val",
            "cpu",
        )
        for objective in OBJECTIVES
        for rate in RATES
    ]
    found = list(run_grid(runs, os.cpu_count() or 1))
    scores = {o: {} for o in OBJECTIVES}
    for run in found:
        scores[run["variant"]][f"{run['config']['base_lr']:g}"] = run["knn"]
    write_text(
        ROOT / "results" / "tuning-things.json",
        json.dumps({"epochs": EPOCHS, "split": "val", "seed": 0, "knn": scores}, indent=1) + "\n",
    )
    for objective, rates in scores.items():
        print(objective, rates)


if __name__ == "__main__":
    tyro.cli(main)
