"""Attention of a trained backbone on pictures: figures, masks, scores, the filmstrip.

Always beside the same backbone with random weights, because a mask over a big thing in the
middle of a picture scores well whatever made it.
"""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from minidino import plots
from minidino.attention import attention_maps, jaccard, mass_mask, upsample_mask
from minidino.config import TrainConfig
from minidino.data import load_data
from minidino.data.folders import list_pictures
from minidino.data.pictures import UnreadablePicture, open_picture, to_tensor
from minidino.errors import UserError, one_line
from minidino.pixels import normalize
from minidino.run.checkpoint import load_weights
from minidino.trainer import build_backbone
from minidino.vit import VisionTransformer


@dataclass
class Example:
    """One picture, at a size that patches divide, and its true mask if there is one."""

    name: str
    image: Tensor  # uint8 (3, H, W)
    mask: Tensor | None  # bool, at any resolution of the same shape


def fit_to_patches(picture: Image.Image, short_side: int, patch: int) -> Image.Image:
    """Resize to about ``short_side``, keeping the shape as nearly as whole patches allow."""
    scale = short_side / min(picture.size)
    width, height = (max(patch, round(side * scale / patch) * patch) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def load_examples(
    spec: str,
    patch: int,
    short_side: int,
    *,
    masks: str | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> list[Example]:
    """Pictures of a file, a folder or a data set (its test images).

    Args:
        spec: a picture, a folder of pictures (any depth), or a data set's name.
        patch: patch size of the model in pixels.
        short_side: length of the pictures' shorter side in pixels.
        masks: folder with a mask per picture, white on the thing, under the same relative
            name (``video/00001.jpg`` and ``video/00001.png``).
        limit: at most so many, evenly spread.

    Raises:
        UserError: if nothing can be read, or a mask is missing.
    """
    path = Path(os.path.expanduser(spec))
    if not path.exists():
        if masks is not None:
            raise UserError(f"--masks goes with pictures of your own; {spec} is no file or folder")
        size = max(patch, round(short_side / patch) * patch)
        data = load_data(spec, "test", size, max_images=limit, seed=seed)
        truth = data.masks if data.masks is not None else [None] * len(data)
        names = (f"{i:05d}" for i in range(len(data)))
        return [Example(*e) for e in zip(names, data.images, truth, strict=True)]
    files = [path] if path.is_file() else list_pictures(path)
    if not files:
        raise UserError(f"no pictures in {path}")
    if limit is not None and limit < len(files):
        files = [files[i] for i in np.linspace(0, len(files), limit, endpoint=False).astype(int)]
    examples = []
    for file in files:
        try:
            picture = open_picture(file)
        except UnreadablePicture as error:
            print(f"skipped unreadable picture {error}")
            continue
        name = file.name if path.is_file() else str(file.relative_to(path))
        image = to_tensor(fit_to_patches(picture, short_side, patch))
        mask = None if masks is None else _load_mask(Path(masks).expanduser(), name)
        examples.append(Example(name, image, mask))
    if not examples:
        raise UserError(f"none of the {len(files)} pictures in {path} could be read")
    return examples


def _load_mask(folder: Path, name: str) -> Tensor:
    for suffix in (".png", Path(name).suffix):
        file = (folder / name).with_suffix(suffix)
        if file.is_file():
            try:
                return torch.from_numpy(np.array(open_picture(file).convert("L")) > 127)
            except UnreadablePicture as error:
                raise UserError(f"cannot read the mask {error}") from None
    raise UserError(
        f"no mask for {name} in {folder}; looked for {(folder / name).with_suffix('.png')}"
    )


@torch.no_grad()
def maps_of(model: VisionTransformer, examples: Sequence[Example]) -> list[Tensor]:
    """(heads, h, w) for each example, on the CPU; equal sizes go through together."""
    device = next(model.parameters()).device
    by_size = defaultdict(list)
    for i, example in enumerate(examples):
        by_size[example.image.shape].append(i)
    maps: list[Tensor] = [torch.empty(0)] * len(examples)
    for index in by_size.values():
        for some in torch.tensor(index).split(32):  # few, as pictures may be large
            images = torch.stack([examples[i].image for i in some]).to(device)
            found = attention_maps(model, normalize(images)).float().cpu()
            for i, m in zip(some.tolist(), found, strict=True):
                maps[i] = m
    return maps


def mask_scores(maps: Sequence[Tensor], examples: Sequence[Example]) -> dict[str, float]:
    """Jaccard of 60%-mass masks: best head per image, mean map, and each head.

    Pictures in one folder (the frames of a video) are averaged first, then the folders.
    """
    groups = defaultdict(list)
    for m, example in zip(maps, examples, strict=True):
        size = tuple(example.mask.shape)
        candidates = torch.cat([m, m.mean(dim=0, keepdim=True)])
        scores = jaccard(upsample_mask(mass_mask(candidates), size), example.mask[None])
        groups[str(Path(example.name).parent)].append(scores)
    folders = [torch.stack(g) for g in groups.values()]
    heads = torch.stack([g[:, :-1].mean(0) for g in folders]).mean(0)
    best = torch.stack([g[:, :-1].amax(1).mean() for g in folders]).mean()
    mean = torch.stack([g[:, -1].mean() for g in folders]).mean()
    return {"jaccard_best_head": best.item(), "jaccard_mean": mean.item()} | {
        f"jaccard_head_{i + 1}": h.item() for i, h in enumerate(heads)
    }


def snapshots(run: Path, config: TrainConfig) -> list[tuple[int, VisionTransformer]]:
    """(step, teacher's backbone) for each moment that a training run kept."""
    found = []
    for file in sorted((run / "snapshots").glob("step_*.safetensors")):
        backbone = build_backbone(config)
        try:
            step, weights = int(file.stem.removeprefix("step_")), load_file(file)
            load_weights(backbone, {k: v.float() for k, v in weights.items()}, str(file))
        except (OSError, ValueError, SafetensorError, UserError) as error:
            print(f"skipped unreadable snapshot {one_line(file)}: {one_line(error)}")
            continue
        found.append((step, backbone.eval()))
    return found


def _spread(examples: Sequence[Example], count: int) -> list[int]:
    """Positions of at most ``count`` examples, evenly spread."""
    step = max(1, len(examples) // count)
    return list(range(0, len(examples), step))[:count]


def draw_attention(
    out: Path,
    examples: Sequence[Example],
    maps: Sequence[Tensor],
    random_maps: Sequence[Tensor],
    count: int,
    title: str,
) -> None:
    """``attention.png`` of some examples, and in ``maps/`` each one's mean map and its mask."""
    (out / "maps").mkdir(parents=True, exist_ok=True)
    drawn = _spread(examples, count)
    images = [examples[i].image for i in drawn]
    known = all(e.mask is not None for e in examples)
    truth = [_at_image_size(examples[i]) for i in drawn] if known else None
    figure = plots.attention_figure(
        images, [maps[i] for i in drawn], [random_maps[i] for i in drawn], truth, title
    )
    plots.save(figure, out / "attention.png")
    for i in drawn:
        name = re.sub(r"[^\w.-]+", "_", Path(examples[i].name).with_suffix("").as_posix())
        mean, size = maps[i].mean(dim=0, keepdim=True), tuple(examples[i].image.shape[-2:])
        for kind, values in (("attention", mean), ("mask", mass_mask(mean).float())):
            picture = plots.grayscale_png(plots.enlarge(values, size)[0])
            Image.fromarray(picture).save(out / "maps" / f"{name}.{kind}.png")


def draw_filmstrip(
    out: Path,
    run: Path,
    config: TrainConfig,
    device: torch.device,
    examples: Sequence[Example],
    count: int,
) -> None:
    """``filmstrip.png``, if the training run kept snapshots."""
    chosen = [examples[i] for i in _spread(examples, count)]
    film = [(f"step {s}", maps_of(b.to(device), chosen)) for s, b in snapshots(run, config)]
    if film:
        title = "The teacher's attention (mean of heads) while it trains"
        figure = plots.filmstrip_figure([e.image for e in chosen], film, title)
        plots.save(figure, out / "filmstrip.png")


def _at_image_size(example: Example) -> Tensor:
    mask = example.mask[None, None].float()
    size = tuple(example.image.shape[-2:])
    return F.interpolate(mask, size=size, mode="nearest")[0, 0].bool()
