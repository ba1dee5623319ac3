"""What accuracy hides where classes differ in size: each on its own, and what it is taken for."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from minidino import plots
from minidino.errors import one_line

MOST = 40  # classes that a picture has room for


def confusion(truth: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """int64 (classes, classes): how many pictures of each class (row) were taken for each."""
    counts = torch.bincount(truth * classes + predicted, minlength=classes**2)
    return counts.view(classes, classes)


def balanced_accuracy(counts: Tensor) -> float:
    """The mean over classes of the percent that were found; of classes that have pictures."""
    pairs = zip(counts.diagonal().tolist(), counts.sum(dim=1).tolist(), strict=True)
    found = [Fraction(right, pictures) for right, pictures in pairs if pictures]
    return float(100 * sum(found) / len(found))  # rounded once


def per_class(counts: Tensor, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Every class that has pictures, the worst first.

    Returns:
        ``class``, ``pictures``, ``recall`` (percent of its pictures that were found),
        ``precision`` (percent of what was taken for it; None if nothing was) and ``taken_for``,
        the other class it was taken for most often, if any.
    """
    rows = []
    for i, name in enumerate(classes):
        pictures, taken = int(counts[i].sum()), int(counts[:, i].sum())
        if not pictures:
            continue
        right, others = int(counts[i, i]), counts[i].clone()
        others[i] = 0
        rows.append({
            "class": name,
            "pictures": pictures,
            "recall": round(100 * right / pictures, 2),
            "precision": round(100 * right / taken, 2) if taken else None,
            "taken_for": classes[int(others.argmax())] if others.any() else None,
        })  # fmt: skip
    return sorted(rows, key=lambda row: row["recall"])


def as_text(rows: Sequence[dict[str, Any]], most: int = 10) -> str:
    """The first rows of ``per_class`` as a table for a terminal."""
    width = max(5, *(min(24, len(row["class"])) for row in rows[:most]))
    rows = [row | {key: one_line(row[key] or "") for key in ("class", "taken_for")} for row in rows]
    lines = [f"{'class':{width}}  pictures  recall  precision  mostly taken for"]
    for row in rows[:most]:
        precision = "--" if row["precision"] is None else f"{row['precision']:.1f}%"
        lines.append(
            f"{row['class'][:24]:{width}}  {row['pictures']:8,}  {row['recall']:5.1f}%"
            f"  {precision:>9}  {row['taken_for']}".rstrip()
        )
    if len(rows) > most:
        lines.append(f"and {len(rows) - most:,} classes that were found as often, or more")
    return "\n".join(lines)


def confusion_figure(counts: Tensor, classes: Sequence[str], title: str) -> Figure:
    """A row a class, in percent of its pictures; of many classes those least often found."""
    pictures = counts.sum(dim=1)
    recall = (counts.diagonal() / pictures).nan_to_num(torch.inf)  # of a class without pictures
    most = min(MOST, int((pictures > 0).sum()))
    shown = recall.argsort(stable=True)[:most].sort().values
    share = (100 * counts[shown] / pictures[shown, None])[:, shown]
    figure = Figure(figsize=(3.4 + 0.42 * most, 2.6 + 0.42 * most), layout="constrained")
    ax = figure.subplots()
    drawn = ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
    names = [plots.plain(classes[i][:20]) for i in shown.tolist()]
    rows = [f"{name} ({pictures[i]:,})" for name, i in zip(names, shown.tolist(), strict=True)]
    ax.set_xticks(range(most), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    ax.set_yticks(range(most), rows, fontsize=8)
    ax.set(xlabel="taken for", ylabel="class (pictures)")
    for i, j in (share >= 0.5).nonzero().tolist():
        color = "white" if share[i, j] > 60 else "black"
        ax.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(drawn, ax=ax, shrink=0.7, label="% of the class")
    ax.set_title(title, fontsize=10)
    return figure
