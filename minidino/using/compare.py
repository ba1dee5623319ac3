"""``minidino compare``: one recipe in many variants and seeds, run by run, each resumable.

A run is a folder of its own below ``--runs``; one that was stopped goes on, and one that has its
scores there, or in the file that an earlier comparison wrote, is not run again. Where there are
several cores, as many runs are under way, each on one core, which is less to wait for than one
run on all.
"""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tqdm import tqdm

from minidino.collapse import effective_rank
from minidino.config import OBJECTIVES, TrainConfig, recipe
from minidino.engine.machine import pick_device
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.run.checkpoint import random_backbone
from minidino.run.files import write_text
from minidino.run.provenance import provenance
from minidino.train import train
from minidino.using.score import quality

# What a name changes in a recipe. Ablations change DINO in one thing (or in what one thing asks).
ABLATIONS: dict[str, dict[str, Any]] = {
    "no-centering": {"center_momentum": 1.0},
    "no-sharpening": {"teacher_temp": 0.1, "warmup_teacher_temp": 0.1},
    "teacher-is-copy": {"teacher": "copy"},
    "teacher-each-epoch": {"teacher": "epoch"},
    "no-multi-crop": {"n_local": 0},
    "mse": {"pair_loss": "mse"},
    "head-batch-norm": {"head_batch_norm": True},
    "temp-0.07": {"teacher_temp": 0.07, "warmup_teacher_temp": 0.07},
    "temp-0.04-to-0.07": {"teacher_temp": 0.07, "warmup_teacher_temp": 0.04},
    "K-64": {"out_dim": 64},
    "K-2048": {"out_dim": 2048},
    "registers-4": {"registers": 4},
    "rope": {"positions": "rope"},
    "koleo-0.1": {"koleo": 0.1},
    "sinkhorn": {"centering": "sinkhorn"},
    "ibot-1": {"ibot": 1.0},
    "gram": {"gram": 3.0},
    "patch-4": {"patch_size": 4},
    "patch-10": {"patch_size": 10},
    "patch-12": {"patch_size": 12},
    "resnet18": {"backbone": "resnet18", "head_batch_norm": True},  # it collapses without
    "supervised-resnet18": {"objective": "supervised", "backbone": "resnet18"},
}
RANDOM = "random"  # no training: what everything is compared with
VARIANTS = (RANDOM, *OBJECTIVES, "constant-momentum", *ABLATIONS)


def settings_of(recipe_name: str, variant: str, seed: int) -> TrainConfig:
    """The configuration of one run.

    Raises:
        UserError: if there is no such recipe or variant, or the recipe cannot bear it.
    """
    if variant not in VARIANTS:
        raise UserError(f'no variant "{variant}"; there are {", ".join(VARIANTS)}')
    common = {"seed": seed, "snapshots": 0, "knn_evals": 0}
    base = recipe(recipe_name, **common)
    changes = {"objective": variant} if variant in OBJECTIVES else ABLATIONS.get(variant, {})
    config = recipe(recipe_name, **(common | changes | _of_the_recipe(base, variant)))
    of_the_center = variant == "no-centering" and base.centering == "sinkhorn"
    if variant not in (RANDOM, "dino") and (config == base or of_the_center):
        raise UserError(f"{variant} changes nothing in the recipe {recipe_name}; leave it out")
    return config


def _of_the_recipe(base: TrainConfig, variant: str) -> dict[str, Any]:
    """What a variant changes that depends on the recipe's own settings; these count more."""
    if variant == "constant-momentum":
        return {"teacher_momentum_end": base.teacher_momentum}
    if variant == "temp-0.04-to-0.07":
        return {"warmup_teacher_temp_epochs": 0.4 * base.epochs}
    if variant == "gram":
        return {"gram": 0.6 * base.epochs}
    if patch_size := ABLATIONS.get(variant, {}).get("patch_size"):
        return nearest_sides(base, patch_size)
    return {}


def nearest_sides(config: TrainConfig, patch_size: int) -> dict[str, int]:
    """The sides of views that patches of another size divide, each the nearest to what it was."""
    sides = ("global_size", "local_size", "eval_size")
    return {s: max(1, int(getattr(config, s) / patch_size + 0.5)) * patch_size for s in sides}


@dataclass(frozen=True)
class Run:
    """One training of a grid: the arguments of ``train_and_score``."""

    variant: str
    config: TrainConfig
    folder: Path
    split: str
    device: str | None
    earlier: Path | None = None  # the JSON of an earlier comparison

    @property
    def scores(self) -> Path:
        return self.folder / f"scores-{self.split}.json"

    def known(self) -> dict[str, Any] | None:
        """Its scores, if they are there and of these settings."""
        asked, usual = (json.loads(json.dumps(c.to_dict())) for c in (self.config, TrainConfig()))
        found = [read_json(self.scores)]
        found += read_json(self.earlier).get("runs", [])
        found = [f for f in found if f.get("variant") == self.variant]
        # A setting that was not there yet is as it was without it.
        return next((f for f in found if usual | f.get("config", {}) == asked), None)


def read_json(path: Path | None) -> dict[str, Any]:
    """The object in a file; an empty one if there is none, or it cannot be read."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def train_and_score(run: Run) -> dict[str, Any]:
    """Train, or go on training, and score; the scores are kept in the run's folder.

    Returns:
        ``variant``, ``seed``, the scores (see ``score.quality``), ``effective_rank`` of the
        test images' features, ``images_seen``, ``images_per_second``, ``seconds``, ``verdict``,
        ``config``, ``made_by``.
    """
    config, where = run.config, pick_device(run.device)
    found: dict[str, Any] = {"variant": run.variant, "seed": config.seed}
    if run.variant == RANDOM:
        backbone, how = random_backbone(config), {}
    else:
        how = {"resume": True, "progress": False, "device": run.device, "engine": Engine.of(where)}
        result = train(config, run.folder, **how)
        backbone = result.backbone
        # Of the whole run; the result's is of the part since it went on.
        speeds = [x["images_per_second"] for x in result.history if "images_per_second" in x]
        how = {
            "images_seen": result.history[-1]["step"] * config.batch_size,
            "images_per_second": round(median(speeds), 1),
            "seconds": round(result.seconds, 1),
            "verdict": result.verdict,
        }
    scores, features = quality(backbone.to(where), config, run.split)
    found |= scores | {"effective_rank": round(effective_rank(features), 1)} | how
    found |= {"config": config.to_dict(), "made_by": provenance(where)}
    run.folder.mkdir(parents=True, exist_ok=True)
    write_text(run.scores, json.dumps(found, indent=2) + "\n")
    return found


def run_grid(runs: Sequence[Run], processes: int) -> Iterator[dict[str, Any]]:
    """What ``train_and_score`` returns for each run, as they come; a line for each."""
    left = []
    for run in runs:
        if (known := run.known()) is not None:
            yield known
        else:
            left.append(run)
    with tqdm(total=len(runs), initial=len(runs) - len(left), unit="run", desc="runs") as bar:
        for found in _as_they_come(left, processes):
            bar.update()
            tqdm.write(
                f"{found['variant']} seed {found['seed']}: k-NN {found['knn']:.1f}, linear "
                f"{found['linear']:.1f}; {found.get('verdict', 'random weights')}"
            )
            yield found


def _begin_worker(threads: int) -> None:
    """Ctrl-C reaches every process of a terminal; a training answers it, and nothing else here."""
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, lambda *_: None)


def _as_they_come(runs: Sequence[Run], processes: int) -> Iterator[dict[str, Any]]:
    if processes == 1:
        yield from map(train_and_score, runs)
        return
    # Spawned: PyTorch's threads do not survive a fork.
    spawn, share = get_context("spawn"), (max(1, (os.cpu_count() or 1) // processes),)
    with ProcessPoolExecutor(processes, spawn, _begin_worker, share) as pool:
        # One for each process and no more: a stop, which each run under way obeys by saving
        # itself, must not find others in line.
        left = iter(runs)
        waiting: set[Future] = {pool.submit(train_and_score, r) for r in islice(left, processes)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            found = [future.result() for future in done]
            waiting |= {pool.submit(train_and_score, r) for r in islice(left, len(done))}
            yield from found


def compare(
    recipe_name: str,
    variants: Sequence[str],
    seeds: int,
    folder: Path,
    *,
    split: str = "test",
    processes: int | None = None,
    device: str | None = None,
    earlier: Path | None = None,
) -> dict[str, Any]:
    """Scores of every variant and seed, and where and how they were made.

    Args:
        folder: each run has a folder below it.
        split: "test" to report, "val" to choose.
        earlier: the JSON of an earlier comparison. Its runs of the same settings are taken over,
            those that are not asked for as well.
        processes: runs under way at a time; by default one a core on a CPU, and one on a GPU.

    Raises:
        UserError: for unknown names, for variants that the recipe cannot bear, and if ``earlier``
            is of other data, before any run.
    """
    where = pick_device(device)
    cores = os.cpu_count() or 1
    processes = processes or (min(cores, 8) if where.type == "cpu" else 1)

    def run_of(variant: str, seed: int) -> Run:
        config = settings_of(recipe_name, variant, seed)
        at = folder / recipe_name / f"{variant}-{seed}"
        return Run(variant, config, at, split, device, earlier)

    there = read_json(earlier)
    if there and (there.get("recipe"), there.get("split")) != (recipe_name, split):
        raise UserError(
            f"{earlier} is there, and no comparison of {recipe_name} on {split} images; choose "
            "another --out"
        )
    asked = [(variant, seed) for variant in variants for seed in range(seeds)]
    runs = [run_of(*one) for one in asked]
    before = {(f["variant"], f["seed"]) for f in there["runs"]} - set(asked) if there else set()
    kept = [run_of(*one).known() for one in before if one[0] in VARIANTS]
    kept = [found for found in kept if found]
    if len(kept) < len(before):
        gone = len(before) - len(kept)
        tqdm.write(f"left out: {gone} of the runs in {earlier}, which have other settings")
    found = [*run_grid(runs, processes), *kept]
    found.sort(key=lambda f: (VARIANTS.index(f["variant"]), f["seed"]))
    return {"recipe": recipe_name, "split": split, "processes": processes, "runs": found}
