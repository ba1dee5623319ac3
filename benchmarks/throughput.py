"""Images per second of training: minidino, the page dino.py, and lightly + timm, in one run.

    python benchmarks/throughput.py                             # or: make bench
    python benchmarks/throughput.py --recipe tiny --data imagenette128/
    python benchmarks/throughput.py --recipe small --batch-size 128 --device cuda
    python benchmarks/throughput.py --objective byol            # a rival: its step alone

Besides the peers, minidino itself is timed with each of its optimisations off, one at a time: the
ladder says what each buys. All take turns, so that a change of the machine's speed meets all;
the numbers are medians of several rounds, warm-up not counted. The share of the peak is of
the machine's own matrix-product peak, measured in the same run, and counts for everyone the
products that minidino's step needs.
"""

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import torch
import tyro
from contenders import COMPILE, THREADS, LightlyAndTimm, Minidino, builders, has_lightly
from measure import Spread, flops, in_turn, matmul_peak, peak_memory, rate

from minidino import plots
from minidino.config import TrainConfig, recipe
from minidino.data import load_data
from minidino.data.pictures import Pictures
from minidino.engine.machine import pick_device
from minidino.errors import UserError
from minidino.run.provenance import provenance

warnings.filterwarnings("ignore")


def best_workers(config: TrainConfig, data: Pictures, device: torch.device, seconds: float) -> int:
    """The number of DataLoader workers that serves lightly best; 0 where it is not installed."""
    if not has_lightly():
        return 0
    tried = {}
    for workers in sorted({0, 1, os.cpu_count() or 1}):
        contender = LightlyAndTimm(config, data, device, workers)
        rate(contender.step, config.batch_size, seconds / 2)
        tried[workers] = rate(contender.step, config.batch_size, seconds)
        contender.rest()
    print("images/s of the peer by workers:", {w: round(r, 1) for w, r in tried.items()})
    return max(tried, key=tried.get)


def table(results: dict[str, dict], peak: float) -> str:
    """A line a contender: images/s, and how many times as fast minidino is, round by round."""

    def cell(name: str, key: str) -> str:
        if key not in results[name]:
            return " " * 34
        ours, theirs = results["minidino"][key], results[name][key]
        times = Spread([a / b for a, b in zip(ours, theirs, strict=True)]).median
        return f"{Spread(theirs)!s:>27s}{times:5.2f} x"

    head = "images/s: median (middle half), ours to it"
    lines = [f"{head:42s}{'end to end':>27s}{'step alone':>34s}"]
    for name, r in results.items():
        line = f"{name:42s}{cell(name, 'end_to_end')}{cell(name, 'step_alone')}"
        line += f"{r['share_of_peak']:5.0%} of peak"
        lines.append(line + (f"{r['peak_bytes'] / 2**20:7.0f} MiB" if "peak_bytes" in r else ""))
    return "\n".join([*lines, f"matrix-product peak: {peak / 1e9:.0f} GFLOP/s"])


def chart(results: dict[str, dict], title: str) -> plt.Figure:
    """Left: the contenders. Right: the ladder, how much slower without each optimisation."""
    rungs = {n.removeprefix("without: "): r for n, r in results.items() if n.startswith("without")}
    peers = {n: r for n, r in results.items() if not n.startswith("without")}
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 0.8 + 0.42 * max(len(rungs), len(peers) + 2)), layout="constrained"
    )
    colors = [plots.TRAINED, *[plots.RANDOM] * (len(peers) - 1)]
    for shift, key, alpha in ((-0.2, "end_to_end", 1.0), (0.2, "step_alone", 0.5)):
        medians = [Spread(r[key]).median for r in peers.values()]
        at = [i + shift for i in range(len(peers))]
        left.barh(at, medians, height=0.38, color=colors, alpha=alpha)
        for y, value in zip(at, medians, strict=True):
            digits = 0 if value > 20 else 1
            left.text(value, y, f" {value:.{digits}f}", va="center", fontsize=9)
    left.set_yticks(range(len(peers)), peers)
    left.invert_yaxis()
    left.margins(x=0.12)
    left.set_title("images per second: end to end (dark), the step alone (light)", fontsize=10)
    for i, r in enumerate(rungs.values()):
        pairs = zip(results["minidino"]["step_alone"], r["step_alone"], strict=True)
        slower = Spread([100 * (a / b - 1) for a, b in pairs])
        low, high = slower.middle_half
        right.barh(i, slower.median, color=plots.TRUTH, height=0.6)
        right.plot([low, high], [i, i], color="black", linewidth=1)
        right.text(max(high, 0), i, f"  {slower.median:+z.0f}%", va="center", fontsize=9)
    right.axvline(0, color="black", linewidth=0.8)
    right.set_yticks(range(len(rungs)), rungs)
    right.invert_yaxis()
    right.margins(x=0.2)
    right.set_title("time of a step without each (line: half of the rounds)", fontsize=10)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11)
    return figure


def rival(objective: str, recipe_name: str, rounds: int, seconds: float, where) -> None:
    """Print how long a rival's step takes, ours over that of lightly + timm."""
    from rival_contenders import LightlyRival, Ours

    config = recipe(recipe_name, objective=objective)
    images = load_data("things", "train", config.image_size, max_images=config.batch_size).images
    ours = Ours(config, images, where)
    theirs = LightlyRival(config, ours.views, where)
    steps = {"minidino": ours.step, "lightly + timm": theirs.step}
    turns = in_turn(steps, config.batch_size, round(20 * rounds), seconds / 20)
    a, b = (turns[name].values for name in steps)
    times = Spread([y / x for x, y in zip(a, b, strict=True)])  # of time: the inverse of the rates
    rates = ", ".join(f"{name} {spread.median:.0f}" for name, spread in turns.items())
    print(f"{objective}: images/s of the step alone: {rates}")
    print(f"{objective}: our step takes {times} of theirs")


def main(
    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "things",
    data: str = "things",
    objective: str = "dino",
    batch_size: int | None = None,
    rounds: int = 5,
    seconds: float = 5.0,
    ladder: bool = True,
    memory: bool = True,
    device: str | None = None,
    out: Path | None = None,
) -> None:
    """Measure everyone in turn; print a table, and write numbers and a chart.

    Args:
        recipe_name: The recipe whose network, crops and batch all use.
        data: Images: things (drawn at the recipe's size) or a folder of photographs.
        objective: dino, or a rival: then only the step alone, ours over lightly's and timm's.
        batch_size: Images a step, if not the recipe's.
        rounds: How often each is timed, in turn.
        seconds: Length of one timing. The step alone is timed for as long in up to 20 times as
            many turns, of at least one step.
        ladder: Also time minidino without each of its optimisations.
        memory: Also measure peak memory, each contender in a process of its own.
        device: cpu or cuda; by default cuda where there is one.
        out: Write OUT.json and OUT.png.
    """
    where = pick_device(device)
    if objective != "dino":
        return rival(objective, recipe_name, rounds, seconds, where)
    config = replace(recipe(recipe_name), epochs=10_000)
    config = replace(config, data=data, batch_size=batch_size or config.batch_size)
    pictures = load_data(data, "train", config.image_size, max_images=max(1024, config.batch_size))
    if not isinstance(pictures, Pictures) or len(pictures) < config.batch_size:
        raise UserError(f"{data} must hold at least {config.batch_size} images, and fit in memory")
    workers = best_workers(config, pictures, where, seconds)
    build = builders(config, pictures, where, workers, ladder)
    contenders = {name: make() for name, make in build.items()}
    # The counter sees its own thread alone, and no products inside of what is compiled.
    counted = Minidino(config, pictures, where, [THREADS, COMPILE])
    needed = flops(counted.step_alone) / config.batch_size  # per image
    peak = matmul_peak(where)
    ends = {name: c.step for name, c in contenders.items() if not name.startswith("without")}
    alone = {name: c.step_alone for name, c in contenders.items()}
    rest = {name: contenders[name].rest for name in ends}
    end_to_end = in_turn(ends, config.batch_size, rounds, seconds, rest)
    # Nothing is begun and ended here: many short turns see smaller differences than few long ones.
    turn = max(seconds / 20, config.batch_size / end_to_end["minidino"].median)
    turns = max(rounds, round(rounds * seconds / turn))
    step_alone = in_turn(alone, config.batch_size, turns, turn)
    peak = max(peak, matmul_peak(where))
    del contenders, ends, alone, rest
    results: dict[str, dict] = {}
    for name, spread in step_alone.items():
        results[name] = {"step_alone": spread.values}
        results[name]["share_of_peak"] = spread.median * needed / peak
        if name in end_to_end:
            results[name]["end_to_end"] = end_to_end[name].values
            if memory:
                results[name]["peak_bytes"] = peak_memory(build[name], where)
    print(table(results, peak))
    if out is None:
        return
    told = provenance(where) | {"cpu_count": os.cpu_count(), "workers_of_the_peers": workers}
    if has_lightly():
        import lightly
        import timm

        told |= {"lightly": lightly.__version__, "timm": timm.__version__}
    sizes = {
        "recipe": recipe_name,
        "batch_size": config.batch_size,
        "data": Path(data).resolve().name,
    }
    sizes |= {"flops_per_image": needed, "matmul_peak": peak}
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(sizes | {"images_per_second": results} | told, indent=2)
    out.with_suffix(".json").write_text(text + "\n")
    title = f"The {recipe_name} recipe, batch {config.batch_size}, on {told['device']}"
    plots.save(chart(results, title), out.with_suffix(".png"))
    print(f"wrote {out.with_suffix('.json')} and {out.with_suffix('.png')}")


if __name__ == "__main__":
    tyro.cli(main)
