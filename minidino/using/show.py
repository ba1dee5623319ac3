"""Pictures of what patches say: their components as colours, and what is like one of them."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from tqdm import tqdm

from minidino import plots
from minidino.attention import attention_maps, patch_index
from minidino.errors import UserError
from minidino.pixels import normalize
from minidino.using.attend import Chosen, save_pixels
from minidino.using.examples import Example, Examples, distinct
from minidino.using.figures import outlined, overlay, sheet, stretched
from minidino.using.patches import PatchPCA, Seen, patch_features, similarity
from minidino.vit import VisionTransformer

Painter = Callable[[Example, Seen], Tensor]  # -> uint8 (3, H, W)


@torch.no_grad()
def seen_in(model: VisionTransformer, examples: Iterable[Example]) -> Iterator[Seen]:
    """Mean attention and patch features of one example after the other, on the CPU."""
    device = next(model.parameters()).device
    for example in examples:
        x = normalize(example.image[None].to(device))
        attention = attention_maps(model, x)[0].mean(dim=0).float().cpu()
        features = patch_features(model, x)[0].float().cpu()
        yield Seen(example.name, tuple(example.image.shape[-2:]), attention, features)


def in_components(pca: PatchPCA) -> Painter:
    """Paints each patch in the colour of its first three components."""
    return lambda example, seen: plots.enlarge(pca.colours(seen.features), seen.size)


def like(patch: tuple[int, int]) -> Painter:
    """Paints how much each patch is like one of the same picture; that one has a frame."""

    def paint(example: Example, seen: Seen) -> Tensor:
        h, w = seen.features.shape[:2]
        try:
            query = seen.features.flatten(0, 1)[patch_index(patch, h, w)]
        except ValueError as error:
            raise UserError(f"{example.name}: {error}") from None
        cosines = stretched(similarity(seen.features, query))
        return outlined(overlay(example.image, cosines), patch, seen.size[0] // h)

    return paint


def show_patches(
    show: Literal["pca", "similarity"],
    models: dict[str, VisionTransformer],
    examples: Examples,
    out: Path,
    count: int,
    patch: tuple[int, int] | None = None,
) -> None:
    """``pca.png`` or ``similarity.png``: some pictures, and what each model makes of them.

    What the first model makes of every picture is written to ``maps/``. Of the components each
    model has its own, of all pictures.

    Args:
        models: by the names that rows of the sheet get.
        count: pictures that are drawn, evenly spread.
        patch: row and column, for ``similarity``.

    Raises:
        UserError: if a picture has no such patch.
    """
    quiet = len(examples) < 500
    if show == "pca":
        fit = (tqdm(examples, "components", disable=quiet, leave=False) for _ in models)
        seen = (seen_in(m, e) for m, e in zip(models.values(), fit, strict=True))
        painters = [in_components(PatchPCA(s)) for s in seen]
    else:
        painters = [like(patch)] * len(models)
    stems, chosen = distinct(examples.names), Chosen(count)
    for example in tqdm(examples, show, disable=quiet, leave=False):
        painted = [
            paint(example, next(seen_in(model, [example])))
            for model, paint in zip(models.values(), painters, strict=True)
        ]
        path = out / "maps" / f"{stems[example.name]}.{show}.png"
        save_pixels(path, plots.to_picture(painted[0]))
        chosen.offer((example.image, *painted))
    columns = zip(*chosen.items, strict=True)
    rows = dict(zip(["picture", *models], columns, strict=True))
    plots.save(sheet(rows, TITLES[show].format(len(examples))), out / f"{show}.png")


TITLES = {
    "pca": "Patch features: the first three principal components of all {} pictures as colours",
    "similarity": "How much each patch is like the framed one (cosine; dark least, light most)",
}
