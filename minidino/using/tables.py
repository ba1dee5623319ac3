"""What a comparison found: a Markdown table with means and spreads, and a figure.

A difference counts when the ranges over the seeds do not overlap; otherwise it is called none.
"""

from collections import defaultdict
from statistics import mean
from typing import Any

from matplotlib.figure import Figure

from minidino import plots

# ViT-S/16 of the paper: k-NN on ImageNet after 300 epochs (table 7), Jaccard of the best head on
# VOC 2012 (figure 4, the rivals in appendix D).
PAPER: dict[str, tuple[float | None, float | None]] = {
    "random": (None, 22.0),
    "supervised": (None, 27.3),
    "moco": (62.0, 46.3),
    "byol": (66.6, 47.8),
    "swav": (64.7, 46.8),
    "dino": (72.8, 45.9),
    "no-multi-crop": (67.9, None),
    "mse": (52.6, None),
    "teacher-is-copy": (0.1, None),
}
LEGEND = 'A mean over seeds, and their range. "none": the ranges of the two overlap.'
OF_FEW = " Of fewer than three seeds no difference is told."
COLUMNS = {
    "knn": ("k-NN", 1),
    "linear": ("linear", 1),
    "jaccard_best_head": ("Jaccard, best head", 3),
    "jaccard_mean": ("Jaccard, mean map", 3),
    "effective_rank": ("effective rank", 1),
    "images_per_second": ("images/s", 0),
}


def by_variant(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The runs of each variant, in the order in which they stand."""
    groups: dict[str, list] = defaultdict(list)
    for run in found["runs"]:
        groups[run["variant"]].append(run)
    return dict(groups)


def difference(runs: list[dict], base: list[dict], column: str) -> str:
    """The difference of the means, or "none" where the ranges over the seeds overlap.

    Nothing of fewer than three seeds: those of two stay apart by chance one time in three.
    """
    ours, theirs = ([run[column] for run in some] for some in (runs, base))
    if min(len(ours), len(theirs)) < 3:
        return ""
    if max(min(ours), min(theirs)) <= min(max(ours), max(theirs)):
        return "none"
    return f"{mean(ours) - mean(theirs):+.{COLUMNS[column][1]}f}"


def markdown(found: dict[str, Any]) -> str:
    """A row a variant: mean and range over the seeds, the difference to DINO, and the paper."""
    groups = by_variant(found)
    base = groups.get("dino")
    head = ["", *(title for title, _ in COLUMNS.values()), "k-NN against DINO", "paper: k-NN",
            "paper: Jaccard"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for variant, runs in groups.items():
        cells = [variant]
        for column, (_, digits) in COLUMNS.items():
            values = [run[column] for run in runs if column in run]
            cells.append(_mean_and_range(values, digits))
        against = difference(runs, base, "knn") if base and runs is not base else ""
        paper = ("" if x is None else f"{x:.1f}" for x in PAPER.get(variant, (None, None)))
        lines.append(f"| {' | '.join([*cells, against, *paper])} |")
    few = base and min(map(len, groups.values())) < 3
    return "\n".join(lines) + f"\n\n{LEGEND}{OF_FEW if few else ''}\n"


def _mean_and_range(values: list[float], digits: int) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def comparison_figure(found: dict[str, Any]) -> Figure:
    """A row a variant, a dot a seed; a dashed line at the mean of random weights."""
    groups = by_variant(found)
    columns = ["knn", "linear", "jaccard_best_head", "jaccard_mean"]
    columns = [c for c in columns if all(c in run for run in found["runs"])]  # no masks, no Jaccard
    figure = Figure(figsize=(12, 0.9 + 0.32 * len(groups)), layout="constrained")
    axes = figure.subplots(1, len(columns), sharey=True)
    for ax, column in zip(axes, columns, strict=True):
        for y, (variant, runs) in enumerate(groups.items()):
            values = [run[column] for run in runs]
            color = plots.RANDOM if variant == "random" else plots.TRAINED
            ax.plot([min(values), max(values)], [y, y], color=color, lw=1, alpha=0.5)
            ax.plot(values, [y] * len(values), "o", color=color, ms=4)
        if "random" in groups:
            floor = mean(run[column] for run in groups["random"])
            ax.axvline(floor, color=plots.RANDOM, ls="--", lw=1)
        ax.set_title(COLUMNS[column][0], fontsize=10)
        ax.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(groups)), list(groups))
    axes[0].invert_yaxis()
    seeds = len({run["seed"] for run in found["runs"]})
    figure.suptitle(f"{found['recipe']}: {found['split']} images, {seeds} seeds, a dot each")
    return figure
