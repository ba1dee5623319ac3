"""``minidino attend``."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from torch import nn

from minidino import plots
from minidino.commands.arguments import (
    NOT_ASKED,
    UNSAID,
    Checkpoint,
    ReadingArgument,
    Weights,
    needs_a_vit,
    short_side,
)
from minidino.convnet import ConvNet
from minidino.engine.machine import pick_device
from minidino.errors import UserError
from minidino.run.files import check_json, write_text
from minidino.using.attend import (
    KINDS,
    MADE_BY,
    Gaze,
    Looked,
    check_maps,
    draw_attention,
    draw_filmstrip,
    look_at_all,
    mean_scores,
)
from minidino.using.earlier import earlier_told, made_by
from minidino.using.examples import Examples, averaged
from minidino.using.masks import told
from minidino.using.show import show_patches
from minidino.weights.file import Trained

OF_A_RESNET = "Mean of the last map (a ResNet has no attention)"


@dataclass(frozen=True)
class AskedGaze:
    """Whose attention is looked at."""

    layer: int | None = None
    """The block whose attention it is, counted from 1 (default: the last)."""
    patch: str | None = None
    """Y,X: row and column, from 0, of the patch that looks (default: [CLS] looks)."""
    register: int | None = None
    """The register that looks, counted from 1, in weights that have some; maps leave them out."""
    heads: Literal["mean", "each"] = "mean"
    """What is written to maps/: the heads' mean, or each head as well."""
    threshold: float = 0.6
    """Share of a map's mass that its mask holds."""

    def gaze(self, backbone: nn.Module) -> Gaze:
        """Raises UserError for what cannot be, or what the backbone does not have."""
        if not 0 < self.threshold <= 1:
            raise UserError(f"--threshold is {self.threshold:g}; it is a share, in (0, 1]")
        patch = None
        if self.patch is not None:
            if not (found := re.fullmatch(r"(\d{1,4}),(\d{1,4})", self.patch)):
                raise UserError(f'--patch "{self.patch}" is not row,column of a patch, as 3,4')
            patch = int(found[1]), int(found[2])
        if (patch, self.layer, self.register) != (None, None, None):
            needs_a_vit(backbone, "attend with --patch, --layer or --register")
        if self.layer is not None and not 1 <= self.layer <= backbone.depth:
            raise UserError(f"--layer {self.layer}: the blocks are 1 to {backbone.depth}")
        there = getattr(backbone, "registers", 0)
        if self.register is not None and patch is not None:
            raise UserError("--patch or --register looks, not both")
        if self.register is not None and not 1 <= self.register <= there:
            have = f"they are 1 to {there}" if there else "these weights have none"
            raise UserError(f"--register {self.register}: {have}")
        return Gaze(self.layer, patch, self.register, self.threshold, self.heads == "each")


def attend_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    out: Path | None = None,
    masks: str | None = None,
    size: int | None = None,
    pictures: int = 8,
    show: Literal["attention", "pca", "similarity"] = "attention",
    device: str | None = None,
    asked: Annotated[AskedGaze, tyro.conf.arg(name="", prefix_name=False)] = AskedGaze(),
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
) -> None:
    """Draw where [CLS], or a patch, looks, and score it where masks are known; or what is alike.

    Writes attention.png, filmstrip.png (if the run kept snapshots) and a folder maps/, laid out
    as --data is, with every picture's mean attention, alone and over the picture, and its mask.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: A picture, a folder of pictures, or a data set, of which 2,000 test images at most
            are taken (default: what it was trained on).
        out: Folder for the figures (default: attend/ beside the checkpoint).
        masks: Folder of true masks with the pictures' names: white on the thing, or labels or a
            palette with background 0. Pictures in several folders (the frames of videos) are
            averaged in each, then the folders.
        size: Shorter side of the pictures in pixels (default: what the weights were made for).
        pictures: How many are drawn; all are scored.
        show: pca draws, in place of attention, the first three principal components of all
            pictures' patch features as colours (pca.png); similarity how much each patch is like
            the one of --patch (similarity.png).
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        asked: Whose attention.
        reading: How pictures are read.
    """
    trained = weights.load(checkpoint)
    where, gaze = pick_device(device), asked.gaze(trained.backbone)
    side, out = short_side(trained, size), out or trained.folder / "attend"
    if pictures < 1:
        raise UserError("--pictures must be at least 1")
    if show != "attention":
        _check_shown(show, trained.backbone, asked, masks)
    _check_figures(out, show)
    read = reading.over(trained.reading)
    how = {"masks": masks, "out": out, "reading": read, "model": trained.backbone}
    examples = Examples(trained.data(data), trained.backbone.patch_size, side, **how)
    heads = gaze.shown(getattr(trained.backbone, "num_heads", 1))
    endings = [f"{head}{kind}" for head in heads for kind in KINDS]
    check_maps(out / "maps", examples.names, endings if show == "attention" else [show])
    both = {"trained": trained.backbone.to(where), "random weights": trained.random().to(where)}
    try:
        (out / "maps").mkdir(parents=True, exist_ok=True)
        with earlier_told(_written(out, show), out):
            if show == "attention":
                _attention(trained, both, examples, out, pictures, gaze)
            else:
                show_patches(show, both, examples, out, pictures, gaze.patch)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None
    print(f"wrote {out / f'{show}.png'}")


def _check_figures(out: Path, show: str) -> None:
    """Raises UserError if a figure, or the scores, would replace a file of somebody else's."""
    for name in ("attention", "filmstrip") if show == "attention" else (show,):
        plots.check_target(out / f"{name}.png")
    if show == "attention":
        check_json(out / "scores.json", "trained", "holds no scores; choose another --out")


def _written(out: Path, show: str) -> list[Path]:
    """What such a call writes to ``out``, and may be there."""
    kinds, others = ([show], []) if show != "attention" else (KINDS, ["scores.json"])
    maps = [file for kind in kinds for file in (out / "maps").rglob(f"*.{kind}.png")]
    figures = [f"{show}.png", *(["filmstrip.png"] if show == "attention" else [])]
    return [*(out / name for name in (*others, *figures)), *made_by(MADE_BY, maps)]


def _check_shown(show: str, backbone: nn.Module, asked: AskedGaze, masks: str | None) -> None:
    """Raises UserError for what says nothing of patch features."""
    needs_a_vit(backbone, f"--show {show}")
    if show == "similarity" and asked.patch is None:
        raise UserError("--show similarity needs a patch to compare with: --patch Y,X")
    idle = {
        "--masks": masks is not None,
        "--layer": asked.layer is not None,
        "--heads": asked.heads != "mean",
        "--register": asked.register is not None,
        "--threshold": asked.threshold != AskedGaze.threshold,
        "--patch": show == "pca" and asked.patch is not None,
    }
    if said := [name for name, given in idle.items() if given]:
        raise UserError(f"--show {show} makes no use of {said[0]}")


def _attention(
    trained: Trained,
    both: dict[str, nn.Module],
    examples: Examples,
    out: Path,
    pictures: int,
    gaze: Gaze,
) -> None:
    """Draw, write and score the attention of both networks."""
    looked = look_at_all(*both.values(), examples, out / "maps", pictures, gaze)
    convnet = isinstance(trained.backbone, ConvNet)
    what = OF_A_RESNET if convnet else gaze.words()
    title = f"{what}: {plots.plain(trained.folder)}"
    if scores := _told(looked):
        scores["map"] = what
        write_text(out / "scores.json", json.dumps(scores, indent=2) + "\n")
        best, floor = (scores[who]["jaccard_best_head"] for who in ("trained", "random"))
        whose = "its" if convnet else "best head's"
        title += f"\n{whose} Jaccard {best:.2f}, random weights {floor:.2f}, "
        title += scores["of"]
    draw_attention(out, looked.drawn, title, gaze.keep)
    if trained.config is not None:
        chosen = [example for example, *_ in looked.drawn]
        device = next(trained.backbone.parameters()).device
        draw_filmstrip(out, trained.folder, trained.config, device, chosen, gaze, what)


def _told(looked: Looked) -> dict | None:
    """Print the scores, trained and random, and return them, if there is something to score."""
    count, things = len(looked.names), sum(looked.ways.values())
    if count and not things:
        print(f"nothing to score: the thing is in none of the {count} masks")
    if not things:
        return None
    if any(looked.ways):  # masks that were read, not drawn
        print(told(looked.ways))
    if things < count:
        print(f"{count - things} of {count} masks are empty; on those any mask scores 0")
    scores, floor = (mean_scores(looked.names, s) for s in (looked.scores, looked.floor))
    for name, value in scores.items():
        print(f"{name:20s} {value:.3f}   random weights {floor[name]:.3f}")
    if scores["jaccard_best_head"] == floor["jaccard_best_head"] == 0:
        print("exactly 0, with random weights too: the masks are probably misread, or of others")
    of = averaged(looked.names, "images")
    print(f"of {of}")
    return {"trained": scores, "random": floor, "images": count, "of": of}
