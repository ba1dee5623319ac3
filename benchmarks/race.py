"""A race against the clock: in how many seconds does k-NN reach a target, and stay there?

    python benchmarks/race.py things               # or: make race
    python benchmarks/race.py photos --minutes 6   # or: make race-gpu; the same again goes on

The rules are in docs/race.md. A run trains without a look at any label and keeps 80 moments of
its teacher. When it has ended they are judged, from the last one back, and the number is the run's
clock at the earliest moment from which all later ones have the target or more.
"""

import json
import platform
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import tyro
from safetensors.torch import load_file
from tqdm import tqdm

from minidino import plots
from minidino.config import TrainConfig, recipe
from minidino.data import load_data
from minidino.engine.machine import pick_device
from minidino.errors import UserError
from minidino.evaluate import accuracy, extract_features, knn_predict
from minidino.run.checkpoint import load_weights
from minidino.run.files import write_text
from minidino.successors.backbone import build_backbone
from minidino.train import train

ROOT = Path(__file__).resolve().parents[1]
CHECKS = 80
WATCHED = dict(snapshots=CHECKS, knn_evals=0)  # nobody looks at labels before the clock has stopped


@dataclass(frozen=True)
class Race:
    """What is run, and what is asked of it."""

    config: TrainConfig  # the record's; this is what to change
    targets: tuple[float, ...]  # k-NN in percent, k = 20, T = 0.07
    seeds: tuple[int, ...]  # all must reach the target; their mean counts
    labelled: int | None  # training images that vote, with their labels; None: all
    held_out: int | None  # validation images
    threads: int | None  # on a CPU


# Two blocks in place of three, steps of 32, a sharper teacher, batch norm in the head: docs/log.md.
# The warm-ups keep their share.
THINGS = replace(
    recipe("things").with_epochs(2), max_images=6000, depth=2, batch_size=32, base_lr=5e-3,
    teacher_temp=0.03, warmup_teacher_temp=0.03, head_batch_norm=True, **WATCHED,
)  # fmt: skip
RACES = {
    "things": Race(THINGS, (95.0,), (0, 1, 2), 5000, 2000, threads=2),
    "photos": Race(recipe("tiny", **WATCHED), (80.0, 84.0, 87.3), (0,), None, None, threads=None),
}
# A network and a training of seconds, to see that all works before a machine is lent.
REHEARSAL = dict(
    max_images=32, batch_size=8, epochs=2, warmup_epochs=1, freeze_last_layer_epochs=0.5,
    depth=1, embed_dim=48, out_dim=32, hidden_dim=32, bottleneck_dim=16, n_local=2,
    snapshots=4, log_every=1,
)  # fmt: skip


def judge(race: Race, config: TrainConfig, run: Path, device: torch.device) -> list[dict]:
    """The moments of a finished run, in order: step, seconds and k-NN.

    From the last one back to the first that misses the lowest target; and step 0, which is that of
    random weights. The clock of a moment is the first log line at its step or after it.
    """
    how = {"size": config.eval_size, "reading": config.reading, "seed": config.seed}
    bank = load_data(config.data, "labelled", max_images=race.labelled, **how)
    held = load_data(config.data, "val", max_images=race.held_out, **how)
    clock = [(x["step"], x["seconds"]) for x in _lines(run) if "loss" in x]
    backbone = build_backbone(config).to(device)
    files = sorted((run / "snapshots").glob("step_*.safetensors"), reverse=True)
    found: list[dict] = []
    for file in tqdm(files, desc="judging", leave=False):
        step = int(file.stem.removeprefix("step_"))
        if found and found[-1]["knn"] < min(race.targets) and step:
            continue
        load_weights(backbone, {k: v.float() for k, v in load_file(file).items()}, str(file))
        features, queries = (extract_features(backbone, part.images) for part in (bank, held))
        knn = accuracy(knn_predict(features, bank.labels, queries), held.labels)
        seconds = next(s for at, s in clock if at >= step) if step else 0.0
        found.append({"step": step, "seconds": round(seconds, 1), "knn": round(knn, 2)})
    return found[::-1]


def reached(checks: list[dict], target: float) -> float | None:
    """The seconds of the earliest moment from which all have the target; None if the last misses
    it."""
    seconds = None
    for check in reversed(checks):
        if check["knn"] < target:
            break
        seconds = check["seconds"]
    return seconds


def result_of(name: str, race: Race, run: Path, checks: list[dict]) -> dict:
    """What is kept of a run: the number, what was measured, where, and with which code."""
    record = json.loads((run / "config.json").read_text())
    commits = {part["commit"] for part in [record, *record.get("resumed", [])]}
    rates = [x["images_per_second"] for x in _lines(run) if "loss" in x]
    return {
        "race": name,
        "seed": record["config"]["seed"],
        "seconds_to": {f"{t:g}": reached(checks, t) for t in race.targets},
        "knn_random": checks[0]["knn"],
        "knn_last": checks[-1]["knn"],
        "seconds_last": checks[-1]["seconds"],
        "images_per_second": round(sorted(rates)[len(rates) // 2], 1),
        "commits": sorted(commits),
        "torch": record["torch"],
        "device": record["device"],
        "hardware": hardware(record["device"]),
        "data": Path(record["config"]["data"]).name,
        "checks": checks,
    }


def hardware(device: str) -> str:
    """A CPU's name beside the threads, where the system tells it; a GPU has its own."""
    if not device.startswith("cpu"):
        return device
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        (cpu, *_) = re.findall(r"model name\s*: (.+)", text)
    except (OSError, ValueError):
        cpu = platform.processor() or platform.machine()
    return f"{cpu}, {device.removeprefix('cpu, ')}"


def draw(results: list[dict], targets: tuple[float, ...], out: Path) -> None:
    """k-NN over the clock, a line a seed."""
    figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    for result in results:
        x, y = ([c[key] for c in result["checks"]] for key in ("seconds", "knn"))
        ax.plot(x[:2], y[:2], ":", color=plots.RANDOM, lw=1)
        ax.plot(x[1:], y[1:], "o-", ms=3, lw=1.2, label=f"seed {result['seed']}")
    for target in targets:
        ax.axhline(target, color=plots.TRUTH, lw=1, ls="--")
        ax.text(0, target, f" {target:g}", va="bottom", fontsize=8, color=plots.TRUTH)
    ax.set(xlabel="seconds of the run", ylabel="k-NN of held-out images (%)", xlim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    ax.set_title(f"{results[0]['race']}, {results[0]['hardware']}", fontsize=10)
    plots.save(figure, out)


def entry(results: list[dict], race: Race, author: str, changed: str, git: str | None) -> dict:
    """A record for the table.

    Args:
        git: the commit of runs that did not know it.

    Raises:
        UserError: if a seed is missing or misses the last target, or it is of no single commit.
    """
    commits = {commit for result in results for commit in result["commits"]}
    commits = {git or c if c == "unknown" else c for c in commits}
    if {result["seed"] for result in results} != set(race.seeds):
        raise UserError(f"an entry needs the seeds {', '.join(map(str, race.seeds))}")
    if len(commits) > 1 or any("-dirty" in c or c == "unknown" for c in commits):
        raise UserError(f"an entry is of one commit, and this is of {', '.join(commits)}")
    times = {t: [r["seconds_to"][t] for r in results] for t in results[0]["seconds_to"]}
    means = {t: None if None in s else round(sum(s) / len(s), 1) for t, s in times.items()}
    if not any(means.values()):
        raise UserError(f"not every seed reaches {min(race.targets):g}, so there is no number")
    return {
        "seconds_to": means,
        "commit": commits.pop(),
        "author": author,
        "changed": changed,
        "runs": results,
    }


def _lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def main(
    name: tyro.conf.Positional[str],
    data: str | None = None,
    seeds: tuple[int, ...] = (),
    minutes: float | None = None,
    out: Path | None = None,
    device: str | None = None,
    author: str = "",
    changed: str = "",
    commit: str | None = None,
    rehearse: bool = False,
) -> None:
    """Run a race and print its number; with --author and --changed enter it in the table.

    Args:
        name: things (a CPU) or photos (a GPU).
        data: For photos, where Imagenette at 128 px is (default: torchvision's download).
        seeds: Of the runs (default: those that an entry needs).
        minutes: Stop after so long; the same command goes on.
        out: Folder of the runs (default: runs/race-NAME); RACE.json and race.png are in it.
        device: cpu or cuda; by default cpu for things, and the fastest for photos.
        author: Who enters.
        changed: What is new, in a few words.
        commit: Of the code, for runs that were made where git is missing.
        rehearse: A tiny network for seconds, to see that everything works.
    """
    if name not in RACES:
        raise UserError(f"no race {name}; there are {', '.join(RACES)}")
    race, out = RACES[name], out or ROOT / "runs" / f"race-{name}"
    device = device or ("cpu" if race.threads else None)
    where = pick_device(device)
    if race.threads and where.type == "cpu":
        torch.set_num_threads(race.threads)
    results = []
    for seed in seeds or race.seeds:
        config = replace(race.config, seed=seed, data=data or race.config.data)
        if rehearse:
            config, race = replace(config, **REHEARSAL), replace(race, labelled=32, held_out=16)
        run = out / f"seed{seed}"
        if not (run / "race.json").exists():
            if not train(config, run, resume=True, minutes=minutes, device=device).finished:
                print(f"{run} is not at its end; the same command goes on", file=sys.stderr)
                raise SystemExit(1)
            result = result_of(name, race, run, judge(race, config, run, where))
            write_text(run / "race.json", json.dumps(result) + "\n")
        results.append(json.loads((run / "race.json").read_text()))
        print(_told(results[-1]), flush=True)
    draw(results, race.targets, out / "race.png")
    if author and changed:
        table = ROOT / "results" / f"race-{name}.json"
        records = json.loads(table.read_text()) if table.exists() else []
        records.append(entry(results, race, author, changed, commit))
        write_text(table, json.dumps(records, indent=1) + "\n")
        print(f"entered in {table}; now: python tools/speed_tables.py")


def _told(r: dict) -> str:
    times = [
        f"{t}% " + ("not reached" if s is None else f"in {s:.0f} s")
        for t, s in r["seconds_to"].items()
    ]
    return (
        f"{r['race']}, seed {r['seed']}: {', '.join(times)}; at the end, after "
        f"{r['seconds_last']:.0f} s, {r['knn_last']:.1f}%, random weights {r['knn_random']:.1f}%"
    )


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except UserError as error:
        print(f"race: {error}", file=sys.stderr)
        raise SystemExit(2) from None
