"""Every figure of the command line and the notebooks. Each function returns a Figure."""

import math
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from minidino.attention import jaccard, mass_mask, upsample_mask
from minidino.errors import UserError, check_ours, one_line, written_by

TRAINED, RANDOM, TRUTH = "#d1495b", "#7d8597", "#2a9d8f"
CMAP = "inferno"
MADE_BY = "minidino, by Matplotlib"
WRITERS = ("minidino", "Matplotlib")  # of figures; older ones name Matplotlib alone


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, where ``check_target`` lets it be written, and let go of the figure."""
    check_target(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # which the font lacks, so a box is drawn
        how = {"dpi": 130, "bbox_inches": "tight", "facecolor": "white"}
        figure.savefig(path, metadata={"Software": MADE_BY}, **how)
    plt.close(figure)


def check_target(path: Path) -> None:
    """Raises UserError if this is no PNG, or what is there is not a figure but a photograph."""
    if path.suffix.lower() != ".png":
        raise UserError(f"figures are PNG files; {path} must end in .png")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    drawn = partial(written_by, WRITERS)
    check_ours(path, drawn, "was not written by minidino; choose another --out")


def plain(name: object) -> str:
    """A name as titles and labels show it: whatever it holds, on one line and no formula."""
    return one_line(name).replace("$", r"\$")


def to_picture(image: Tensor) -> np.ndarray:
    """uint8 (3, H, W) -> (H, W, 3) for imshow."""
    return image.permute(1, 2, 0).cpu().numpy()


def grid(rows: int, columns: int, cell: float, aspect: float = 1.0, top: float = 0.55) -> tuple:
    """Figure and (rows, columns) axes without ticks; ``cell`` is a column's width in inches."""
    height = rows * cell * aspect + top
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * cell, height),
        squeeze=False,
        layout="none",
        gridspec_kw=dict(left=0.01, right=0.99, bottom=0.01, top=1 - top / height,
                         wspace=0.06, hspace=0.06),
    )  # fmt: skip
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
        for side in ax.spines.values():
            side.set_visible(False)
    return figure, axes


def show_map(ax, attention: Tensor, size: tuple[int, int]) -> None:
    """One attention map (h, w), drawn over ``size`` pixels, patches left as squares."""
    ax.imshow(attention.cpu().numpy(), cmap=CMAP, interpolation="nearest",
              extent=(0, size[1], size[0], 0), vmin=0)  # fmt: skip


def show_mask(ax, image: Tensor, mask: Tensor, color: str) -> None:
    """The picture, dimmed outside the mask, the mask's edge drawn in ``color``."""
    dimmed = to_picture(image).astype(float) / 255
    inside = mask.cpu().numpy().astype(bool)
    dimmed[~inside] = 0.25 * dimmed[~inside] + 0.1
    ax.imshow(dimmed, interpolation="nearest")
    if inside.any() and not inside.all():
        ax.contour(inside, levels=[0.5], colors=[color], linewidths=1.6)


def attention_figure(
    images: Sequence[Tensor],
    maps: Sequence[Tensor],
    random_maps: Sequence[Tensor],
    masks: Sequence[Tensor] | None = None,
    title: str = "",
    valid: Sequence[Tensor | None] | None = None,
    keep: float = 0.6,
) -> Figure:
    """A row an image: heads, the best head's mask, the truth; trained against random.

    Of many heads six are drawn, the best on these images where the truth is known. The mask is
    still that of the best of all.

    Args:
        images: uint8 (3, H, W) each; sizes may differ.
        maps: (heads, h, w) for each image, of the trained backbone.
        random_maps: the same of random weights.
        masks: bool (H, W) for each image, or None where the truth is not known; then the
            masks shown are those of the heads' mean map.
        title: what is to be seen.
        valid: bool (H, W) for each image, the pixels that are scored; None for all.
        keep: share of a map's mass that makes its mask.
    """
    known, valid = masks is not None, valid or [None] * len(images)
    drawn = _heads_to_draw(maps, masks, valid, keep)
    heads = len(drawn)
    one = len(maps[0]) == 1  # as of a ResNet, which has a map and no heads
    chosen = "map" if one else "best head" if known else "mean of heads"
    names = ["image", *(["map"] if one else [f"head {i + 1}" for i in drawn])]
    names += [f"{chosen},\n{keep:.0%} of its mass"]
    names += ["truth"] if known else []
    names += [f"random weights,\n{chosen}"]
    aspect = max(image.shape[-2] / image.shape[-1] for image in images)
    figure, axes = grid(len(images), len(names), cell=1.25, aspect=min(aspect, 1.5), top=0.95)
    for ax, name in zip(axes[0], names, strict=True):
        ax.set_title(name, fontsize=9)
    for r, (row, image) in enumerate(zip(axes, images, strict=True)):
        size = tuple(image.shape[-2:])
        row[0].imshow(to_picture(image), interpolation="nearest")
        for ax, attention in zip(row[1:], maps[r][drawn], strict=False):
            show_map(ax, attention, size)
        truth = masks[r] if known else None
        _show_chosen(row[1 + heads], image, maps[r], truth, valid[r], TRAINED, keep)
        if known:
            show_mask(row[2 + heads], image, truth, TRUTH)
        _show_chosen(row[-1], image, random_maps[r], truth, valid[r], RANDOM, keep)
    figure.suptitle(title, fontsize=12, y=1.0, va="top")
    return figure


def _heads_to_draw(
    maps: Sequence[Tensor],
    masks: Sequence[Tensor] | None,
    valid: Sequence[Tensor | None],
    keep: float,
) -> list[int]:
    """Positions of at most six heads, in order."""
    heads = len(maps[0])
    if heads <= 6 or masks is None:
        return list(range(min(heads, 6)))
    scores = [
        jaccard(upsample_mask(mass_mask(m, keep), tuple(mask.shape)), mask[None], counts)
        for m, mask, counts in zip(maps, masks, valid, strict=True)
    ]
    return torch.stack(scores).mean(0).topk(6).indices.sort().values.tolist()


def _show_chosen(
    ax,
    image: Tensor,
    maps: Tensor,
    truth: Tensor | None,
    valid: Tensor | None,
    color: str,
    keep: float,
) -> None:
    """The mask of the head that fits the truth best, or of the mean map; its score below."""
    candidates = mass_mask(maps if truth is not None else maps.mean(0, keepdim=True), keep)
    candidates = upsample_mask(candidates, tuple(image.shape[-2:]))
    if truth is None:
        show_mask(ax, image, candidates[0], color)
        return
    scores = jaccard(candidates, truth[None], valid)
    show_mask(ax, image, candidates[scores.argmax()], color)
    ax.text(0.03, 0.03, f"{scores.max():.2f}", transform=ax.transAxes, color="white", fontsize=8,
            bbox=dict(facecolor=color, edgecolor="none", pad=1.5))  # fmt: skip


def curves_figure(history: Sequence[dict], out_dim: int, title: str = "") -> Figure:
    """Loss with its two parts, and k-NN, over the steps of a run.

    Args:
        history: the lines of ``metrics.jsonl``.
        out_dim: K; ln K is where a uniform collapse would sit.
    """
    steps = [line for line in history if "loss" in line]
    knn = [line for line in history if "knn" in line]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    x = [line["step"] for line in steps]
    parts = all("kl" in line for line in steps)  # which a squared error has not
    for key, name, color in (
        ("loss", "loss = H + KL" if parts else "loss", TRAINED),
        ("entropy", "H(teacher)", TRUTH),
        ("kl", "KL(teacher || student)", "#3d5a80"),
    ):
        if parts or key != "kl":
            left.plot(x, [line[key] for line in steps], color=color, lw=1.4, label=name)
    ln_k = math.log(out_dim)
    left.axhline(ln_k, color=RANDOM, ls=":", lw=1.2, label=f"ln K = {ln_k:.2f}")
    left.set(xlabel="step", ylabel="nats", title="What the loss is made of", ylim=(0, None))
    left.legend(frameon=False, fontsize=9)
    if knn:
        y = [line["knn"] for line in knn]
        right.plot([line["step"] for line in knn], y, "o-", color=TRAINED, lw=1.6, ms=4)
        right.annotate(f"{y[-1]:.1f}", (knn[-1]["step"], y[-1]), xytext=(4, 6),
                       textcoords="offset points", fontsize=9)  # fmt: skip
        if knn[0]["step"] == 0:
            right.axhline(y[0], color=RANDOM, ls=":", label=f"random weights {y[0]:.1f}")
            right.legend(frameon=False, fontsize=9)
    else:
        right.text(0.5, 0.5, "no labels, no k-NN", ha="center", transform=right.transAxes)
    # With more labelled neighbours to choose from the same features score higher.
    bank = f", among {knn[0]['labelled']:,} labelled" if knn else ""
    right.set(xlabel="step", ylabel="accuracy (%)", title=f"k-NN of validation images{bank}")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=12)
    return figure


def filmstrip_figure(
    images: Sequence[Tensor], moments: Sequence[tuple[str, Sequence[Tensor]]], title: str = ""
) -> Figure:
    """The same images' mean attention at several moments: a row an image, time to the right.

    Args:
        images: uint8 (3, H, W) each.
        moments: (name, maps), with maps (heads, h, w) for each image.
    """
    aspect = max(image.shape[-2] / image.shape[-1] for image in images)
    figure, axes = grid(len(images), 1 + len(moments), cell=1.2, aspect=min(aspect, 1.5), top=0.6)
    axes[0, 0].set_title("image", fontsize=9)
    for r, image in enumerate(images):
        axes[r, 0].imshow(to_picture(image), interpolation="nearest")
        for c, (name, maps) in enumerate(moments, start=1):
            show_map(axes[r, c], maps[r].mean(dim=0), tuple(image.shape[-2:]))
            if r == 0:
                axes[0, c].set_title(name, fontsize=9)
    figure.suptitle(title, fontsize=12, y=1.0, va="top")
    return figure


def contact_sheet(
    images: Tensor,
    labels: Tensor | None = None,
    classes: Sequence[str] = (),
    masks: Tensor | None = None,
    columns: int = 10,
    title: str = "",
) -> Figure:
    """Images in a grid, with their classes, and each row's masks below it where there are any.

    Args:
        images: uint8 (N, 3, S, S).
        labels: (N,); masks: bool (N, S, S).
    """
    columns = min(columns, len(images))
    blocks = -(-len(images) // columns)
    rows_each = 1 if masks is None else 2
    figure, axes = grid(blocks * rows_each, columns, cell=1.1, top=0.35)
    for ax in axes.flat:
        ax.axis("off")
    for i, image in enumerate(images):
        r, c = divmod(i, columns)
        ax = axes[r * rows_each, c]
        ax.imshow(to_picture(image), interpolation="nearest")
        if labels is not None and len(classes):
            name = plain(str(classes[labels[i]])[:16])
            box = dict(facecolor="black", alpha=0.6, edgecolor="none", pad=1)
            ax.text(0.03, 0.03, name, transform=ax.transAxes, color="white", fontsize=7, bbox=box)
        if masks is not None:
            axes[r * rows_each + 1, c].imshow(masks[i].cpu().numpy(), cmap="gray", vmin=0, vmax=1)
    figure.suptitle(title, fontsize=12, y=1.0, va="top")
    return figure


def enlarge(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (..., h, w) to (..., H, W) without smoothing, for saving as a picture."""
    flat = maps.flatten(0, -3)[None]
    return F.interpolate(flat, size=size, mode="nearest")[0].view(*maps.shape[:-2], *size)


def grayscale_png(values: Tensor) -> np.ndarray:
    """(H, W) not negative -> uint8 (H, W), the largest value white."""
    return (values / values.amax().clamp(min=1e-12) * 255).round().to(torch.uint8).cpu().numpy()


def use_notebook_style() -> None:
    """Figures of the notebooks: light, legible, small in bytes."""
    plt.rcParams.update(
        {
            "figure.dpi": 80,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 11,
            "legend.frameon": False,
            "image.cmap": CMAP,
            "image.interpolation": "nearest",
            "axes.prop_cycle": plt.cycler(color=[TRAINED, TRUTH, "#3d5a80", "#edae49", RANDOM]),
        }
    )


def pairs_figure(
    teacher_views: Sequence[Tensor],
    student_views: Sequence[Tensor],
    pairs: Sequence[tuple[int, int]],
    values: Tensor | None = None,
    title: str = "",
) -> Figure:
    """Which student view (column) is compared with which teacher view (row).

    Args:
        teacher_views, student_views: uint8 (3, H, W) each, the global views first.
        pairs: (teacher view, student view) that count; they are numbered in this order.
        values: (teacher views, student views) to write into every cell in place of the numbers.
    """
    rows, columns = len(teacher_views), len(student_views)
    figure, ax = plt.subplots(figsize=(0.85 * (columns + 1.6), 0.85 * (rows + 1.9)))
    for j, view in enumerate(student_views):
        ax.imshow(to_picture(view), extent=(j + 0.08, j + 0.92, -0.08, -0.92))
        ax.text(j + 0.5, -1.12, j, ha="center", va="bottom", fontsize=9)
    for i, view in enumerate(teacher_views):
        ax.imshow(to_picture(view), extent=(-0.92, -0.08, i + 0.92, i + 0.08))
        ax.text(-1.1, i + 0.5, i, ha="right", va="center", fontsize=9)
    number = {pair: n for n, pair in enumerate(pairs, start=1)}
    for i in range(rows):
        for j in range(columns):
            counts = (i, j) in number
            ax.add_patch(
                plt.Rectangle((j + 0.04, i + 0.04), 0.92, 0.92, lw=0, alpha=0.9 if counts else 1,
                              color=TRUTH if counts else "#e6e8ec")
            )  # fmt: skip
            text = "" if values is None else f"{values[i, j]:.2f}"
            text = text or (str(number[i, j]) if counts else "–")
            ax.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=11,
                    color="white" if counts else "#4a5160")  # fmt: skip
    ax.text(columns / 2, -1.5, "student's view", ha="center", va="bottom", fontsize=10)
    ax.text(-1.5, rows / 2, "teacher's view", ha="right", va="center", fontsize=10, rotation=90)
    ax.set(xlim=(-1.75, columns), ylim=(rows, -1.85), aspect="equal")
    ax.axis("off")
    ax.set_title(title)
    return figure
