"""Attention of a trained backbone on pictures: figures, masks, scores, the filmstrip.

Always beside the same backbone with random weights, because a mask over a big thing in the
middle of a picture scores well whatever made it.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, PngImagePlugin
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from minidino import plots
from minidino.attention import attention_maps, jaccard, mass_mask, upsample_mask
from minidino.config import TrainConfig
from minidino.errors import UserError, check_ours, one_line
from minidino.evaluate import images_at_once
from minidino.pixels import normalize
from minidino.run.checkpoint import backbone_like, load_weights
from minidino.using.examples import PICTURE_BYTES, Example, Examples, distinct, few_at_a_time
from minidino.using.examples import fit_to_patches as fit_to_patches  # notebook 09 has it from here
from minidino.using.figures import outlined, overlay
from minidino.vit import VisionTransformer

MADE_BY = "minidino attend"
KINDS = ("attention", "mask", "overlay")  # of maps
DRAWN_SIDE = 512  # pixels of a picture in a figure, at most: it is shown with about 200


@dataclass(frozen=True)
class Gaze:
    """Whose attention is looked at, and how much of it makes a mask."""

    layer: int | None = None  # the block, counted from 1; None for the last
    patch: tuple[int, int] | None = None  # row and column; None for [CLS] or a register
    register: int | None = None  # counted from 1
    keep: float = 0.6  # share of a map's mass
    each_head: bool = False  # is written, beside their mean

    @property
    def token(self) -> tuple:
        """What ``attention_maps`` is told."""
        return self.layer, self.patch, self.register

    def shown(self, heads: int) -> list[str]:
        """Before the kind in the names of maps: the mean, and each head where that is asked."""
        return ["", *(f"head{i + 1:02d}." for i in range(heads if self.each_head else 0))]

    def words(self) -> str:
        block = "the last block" if self.layer is None else f"block {self.layer}"
        who = "[CLS] token" if self.patch is None else "patch {},{}".format(*self.patch)
        who = who if self.register is None else f"register {self.register}"
        return f"Attention of {block}'s {who}"


USUAL_GAZE = Gaze()


@torch.no_grad()
def maps_of(
    model: VisionTransformer, examples: Sequence[Example], gaze: Gaze = USUAL_GAZE
) -> list[Tensor]:
    """(heads, h, w) for each example, on the CPU; equal sizes go through together.

    Raises:
        UserError: if there is no such layer or patch.
    """
    device = next(model.parameters()).device
    by_size = defaultdict(list)
    for i, example in enumerate(examples):
        by_size[example.image.shape].append(i)
    maps: list[Tensor] = [torch.empty(0)] * len(examples)
    for shape, index in by_size.items():
        for some in torch.tensor(index).split(images_at_once(model, *shape[-2:])):
            images = torch.stack([examples[i].image for i in some]).to(device)
            try:
                found = attention_maps(model, normalize(images), *gaze.token)
            except ValueError as error:
                raise UserError(f"{examples[some[0]].name}: {error}") from None
            found = found.float().cpu()
            for i, m in zip(some.tolist(), found, strict=True):
                maps[i] = m
    return maps


def scores_of(maps: Tensor, example: Example, keep: float = 0.6) -> Tensor:
    """(heads + 1,): Jaccard of the 60%-mass mask of each head, and of their mean."""
    size = tuple(example.mask.shape)
    masks = mass_mask(torch.cat([maps, maps.mean(dim=0, keepdim=True)]), keep)
    few = masks.split(max(1, PICTURE_BYTES // example.mask.nbytes))  # it may be a large one
    return torch.cat([jaccard(upsample_mask(m, size), example.mask, example.valid) for m in few])


def mean_scores(names: Sequence[str], scores: Sequence[Tensor]) -> dict[str, float]:
    """Of ``scores_of`` some pictures: best head per image, mean map, and each head.

    Pictures in one folder (the frames of a video) are averaged first, then the folders.
    """
    groups = defaultdict(list)
    for name, score in zip(names, scores, strict=True):
        groups[str(Path(name).parent)].append(score)
    folders = [torch.stack(g) for g in groups.values()]
    heads = torch.stack([g[:, :-1].mean(0) for g in folders]).mean(0)
    best = torch.stack([g[:, :-1].amax(1).mean() for g in folders]).mean()
    mean = torch.stack([g[:, -1].mean() for g in folders]).mean()
    return {"jaccard_best_head": best.item(), "jaccard_mean": mean.item()} | {
        f"jaccard_head_{i + 1}": h.item() for i, h in enumerate(heads)
    }


def mask_scores(maps: Sequence[Tensor], examples: Sequence[Example]) -> dict[str, float]:
    """``mean_scores`` of maps (heads, h, w) against the examples' masks."""
    each = [scores_of(m, example) for m, example in zip(maps, examples, strict=True)]
    return mean_scores([example.name for example in examples], each)


def snapshots(run: Path, config: TrainConfig) -> list[tuple[int, VisionTransformer]]:
    """(step, teacher's backbone) for each moment that a training run kept."""
    found = []
    for file in sorted((run / "snapshots").glob("step_*.safetensors")):
        try:
            step, weights = int(file.stem.removeprefix("step_")), load_file(file)
            backbone = backbone_like(config, weights, str(file))
            load_weights(backbone, {k: v.float() for k, v in weights.items()}, str(file))
        except (OSError, ValueError, SafetensorError, UserError) as error:
            print(f"skipped unreadable snapshot {one_line(file)}: {one_line(error)}")
            continue
        found.append((step, backbone.eval()))
    return found


class Chosen:
    """At most ``count`` of those that come by, evenly spread, however many come."""

    def __init__(self, count: int):
        self.count, self.every, self.seen = count, 1, 0
        self.kept: list = []

    def offer(self, item: object) -> None:
        if self.seen % self.every == 0:
            self.kept.append(item)
        self.seen += 1
        if len(self.kept) >= 2 * self.count:
            self.kept, self.every = self.kept[::2], 2 * self.every

    @property
    def items(self) -> list:
        return self.kept[:: max(1, len(self.kept) // self.count)][: self.count]


def save_maps(folder: Path, name: str, image: Tensor, maps: Tensor, gaze: Gaze) -> None:
    """The mean map of a picture, alone and over it, and its mask; below ``folder``."""
    size, side = tuple(image.shape[-2:]), image.shape[-2] // maps.shape[-2]
    shown = [maps.mean(dim=0), *(maps if gaze.each_head else ())]
    for which, one in zip(gaze.shown(len(maps)), shown, strict=True):
        over = overlay(image, one)
        drawn = {
            "attention": plots.grayscale_png(plots.enlarge(one[None], size)[0]),
            "mask": plots.grayscale_png(upsample_mask(mass_mask(one, gaze.keep)[None], size)[0]),
            "overlay": plots.to_picture(_framed(over, gaze, side)),
        }
        for kind, pixels in drawn.items():
            save_pixels(folder / f"{name}.{which}{kind}.png", pixels)


def _framed(image: Tensor, gaze: Gaze, side: int) -> Tensor:
    """The picture, with a frame around the patch that looks, if one does."""
    return image if gaze.patch is None else outlined(image, gaze.patch, side)


def save_pixels(path: Path, pixels: np.ndarray) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", MADE_BY)  # so that it may be replaced, and is no picture to look at
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, pnginfo=note)


def check_maps(folder: Path, names: Sequence[str], endings: Sequence[str]) -> None:
    """Raises UserError if a map would replace what ``attend`` did not write."""
    ours = partial(plots.written_by, MADE_BY)
    for stem in distinct(names).values():
        for ending in endings:
            path = folder / f"{stem}.{ending}.png"
            check_ours(path, ours, "was not written by minidino; choose another --out")


@dataclass
class Looked:
    """What two networks made of many pictures, of which few are kept."""

    drawn: list[tuple[Example, Tensor, Tensor]] = field(default_factory=list)  # both maps of each
    names: list[str] = field(default_factory=list)  # of those with a mask
    scores: list[Tensor] = field(default_factory=list)  # (heads + 1,) for each of them
    floor: list[Tensor] = field(default_factory=list)  # the same with random weights
    ways: Counter = field(default_factory=Counter)  # how masks with a thing in them were read


def look_at_all(
    trained: VisionTransformer,
    random: VisionTransformer,
    examples: Examples,
    folder: Path,
    count: int,
    gaze: Gaze = USUAL_GAZE,
) -> Looked:
    """Maps of every example, written below ``folder`` and scored; few are in memory at a time.

    Args:
        count: examples that are kept to be drawn: of those with a mask, if there are any.
    """
    looked, scored, others = Looked(), Chosen(count), Chosen(count)
    stems = distinct(examples.names)
    bar = tqdm(examples, "maps", len(examples), disable=len(examples) < 500, leave=False)
    for some in few_at_a_time(bar):
        both = (maps_of(model, some, gaze) for model in (trained, random))
        for example, maps, random_maps in zip(some, *both, strict=True):
            size = tuple(example.image.shape[-2:])
            save_maps(folder, stems[example.name], example.image, maps, gaze)
            if example.mask is not None:
                looked.names.append(example.name)
                looked.scores.append(scores_of(maps, example, gaze.keep))
                looked.floor.append(scores_of(random_maps, example, gaze.keep))
                looked.ways.update([example.how] if example.mask.any() else [])
            masks = {k: _resized(getattr(example, k), size) for k in ("mask", "valid")}
            framed = _framed(example.image, gaze, size[0] // maps.shape[-2])
            kept = (replace(example, image=framed, **masks), maps, random_maps)
            (others if example.mask is None else scored).offer(kept)
    looked.drawn = scored.items or others.items
    return looked


def draw_attention(
    out: Path, drawn: Sequence[tuple[Example, Tensor, Tensor]], title: str, keep: float = 0.6
) -> None:
    """``attention.png`` of examples, each with its maps, trained and random."""
    examples, maps, random_maps = zip(*drawn, strict=True)
    small = [_for_figure(e) for e in examples]
    masks = None if small[0].mask is None else [e.mask for e in small]
    valid = [e.valid for e in small]
    figure = plots.attention_figure(
        [e.image for e in small], maps, random_maps, masks, title, valid, keep
    )
    plots.save(figure, out / "attention.png")


def draw_filmstrip(
    out: Path,
    run: Path,
    config: TrainConfig,
    device: torch.device,
    chosen: Sequence[Example],
    gaze: Gaze = USUAL_GAZE,
    what: str | None = None,
) -> None:
    """``filmstrip.png``, if the training run kept snapshots; ``what`` names its maps."""
    film = [(f"step {s}", maps_of(b.to(device), chosen, gaze)) for s, b in snapshots(run, config)]
    if film:
        title = f"{what or gaze.words()} (teacher, mean of heads) while it trains"
        images = [_for_figure(e).image for e in chosen]
        plots.save(plots.filmstrip_figure(images, film, title), out / "filmstrip.png")


def _for_figure(example: Example) -> Example:
    """The same in at most ``DRAWN_SIDE`` pixels: more would cost gigabytes, and not be seen."""
    scale = min(1.0, DRAWN_SIDE / max(example.image.shape[-2:]))
    size = tuple(max(1, round(side * scale)) for side in example.image.shape[-2:])
    names = ("image", "mask", "valid")
    return replace(example, **{k: _resized(getattr(example, k), size) for k in names})


def _resized(pixels: Tensor | None, size: tuple[int, int]) -> Tensor | None:
    """Bytes or bool (..., H, W) to another size, by the nearest pixel."""
    if pixels is None or pixels.shape[-2:] == size:
        return pixels
    planes = pixels.byte().view(1, -1, *pixels.shape[-2:])
    planes = F.interpolate(planes, size=size, mode="nearest").to(pixels.dtype)
    return planes.view(*pixels.shape[:-2], *size)
