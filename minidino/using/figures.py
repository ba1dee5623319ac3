"""Pictures with something drawn over them, and sheets of such pictures."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from minidino import plots

CHOSEN = (77, 208, 225)  # the outline of a patch that was chosen
IN_A_ROW = 8  # pictures of a sheet


def overlay(image: Tensor, values: Tensor) -> Tensor:
    """A picture, dark where values are small, in warm colours where they are large.

    Args:
        image: uint8 (3, H, W); values: (h, w), from 0, in patches that are left as squares.

    Returns:
        uint8 (3, H, W).
    """
    strength = plots.enlarge(values.float()[None], tuple(image.shape[-2:]))[0]
    strength = (strength / strength.amax().clamp(min=1e-12)).cpu().numpy()
    warm = matplotlib.colormaps[plots.CMAP](0.15 + 0.8 * strength)[..., :3]
    share = (0.25 + 0.45 * strength)[..., None]
    mixed = plots.to_picture(image) / 255 * (1 - share) * (0.55 + 0.45 * strength)[..., None]
    return _to_bytes(mixed + share * warm)


def stretched(values: Tensor) -> Tensor:
    """Any values, the smallest made 0 and the largest 1."""
    low, high = values.amin(), values.amax()
    return (values - low) / (high - low).clamp(min=1e-12)


def outlined(image: Tensor, patch: tuple[int, int], side: int) -> Tensor:
    """A picture uint8 (3, H, W) with a frame around the patch (row, column) of ``side`` px."""
    image, width = image.clone(), max(1, side // 8)
    top, left = patch[0] * side, patch[1] * side
    inner = image[:, top + width : top + side - width, left + width : left + side - width].clone()
    colour = torch.tensor(CHOSEN, dtype=torch.uint8).view(3, 1, 1)
    image[:, top : top + side, left : left + side] = colour
    image[:, top + width : top + side - width, left + width : left + side - width] = inner
    return image


def painted(image: Tensor, labels: Tensor, palette: np.ndarray, share: float = 0.55) -> Tensor:
    """A picture with its things in colours, their edges full.

    Args:
        image: uint8 (3, H, W); labels: int (H, W), 0 is left as it is.
        palette: uint8 (256, 3), the colour of each label.
    """
    things = labels > 0
    inside = things.clone()  # pixels whose four neighbours have the same label
    for dim in (0, 1):
        for step in (1, -1):
            inside &= labels.roll(step, dim) == labels
    share = torch.where(things, torch.where(inside, share, 1.0), 0.0)[..., None].numpy()
    colours = palette[labels.numpy()] / 255
    return _to_bytes(plots.to_picture(image) / 255 * (1 - share) + share * colours)


def _to_bytes(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) in 0..1 -> uint8 (3, H, W)."""
    return torch.from_numpy((pixels.clip(0, 1) * 255).round().astype(np.uint8)).permute(2, 0, 1)


def sheet(rows: Mapping[str, Sequence[Tensor]], title: str, names: Sequence[str] = ()) -> Figure:
    """Pictures below each other that belong together: a column each, a row a kind.

    Args:
        rows: by the kind's name, as many uint8 (3, H, W) in each; sizes may differ.
        names: of the columns.
    """
    count = len(next(iter(rows.values())))
    columns, blocks = min(count, IN_A_ROW), -(-count // IN_A_ROW)
    pictures = [p for row in rows.values() for p in row]
    aspect = min(1.5, max(p.shape[-2] / p.shape[-1] for p in pictures))
    cell = 1.5 if aspect > 0.8 else 2.2
    top = 0.4 + 0.2 * bool(names)
    figure, axes = plots.grid(blocks * len(rows), columns, cell, aspect, top)
    figure.subplots_adjust(left=0.35 / (columns * cell))
    for ax in axes.flat:
        ax.set_facecolor("white")  # where the last row has no picture
    for r, (kind, row) in enumerate(rows.items()):
        for i, picture in enumerate(row):
            ax = axes[i // columns * len(rows) + r, i % columns]
            ax.imshow(plots.to_picture(picture), interpolation="nearest")
            if i % columns == 0:
                ax.set_ylabel(kind, fontsize=9)
            if names and r == 0:
                ax.set_title(plots.plain(names[i]), fontsize=8)
    figure.suptitle(title, fontsize=12, y=1.0, va="top")
    return figure
