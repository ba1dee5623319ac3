"""A file of weights, whatever it calls its parameters: a ``VisionTransformer`` comes out.

Patch size, width, depth and grid are read from the shapes of the weights. The number of attention
heads leaves no trace in them, and a wrong one loads without complaint and computes nonsense. It
is taken from

1. what accompanies the weights: the configuration in a checkpoint of ours, the metadata of an
   export, ``num_attention_heads`` in a Hugging Face ``config.json`` beside the file, or the
   periods of turns in a file of DINOv3's;
2. else the argument ``num_heads``;
3. else heads of 64 numbers each, as in every released DINO, DeiT and ViT from Ti to L; a line
   says so.

Files are read with ``weights_only=True`` or as safetensors: nothing in them is run.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from minidino.config import USUAL, Reading, TrainConfig
from minidino.data import NAMES, located
from minidino.data.listing import few
from minidino.engine.chance import seeded
from minidino.errors import UserError
from minidino.run.checkpoint import (
    FORMAT,
    backbone_of,
    load_weights,
    random_backbone,
    read_torch_file,
)
from minidino.run.kind import is_safetensors, what_it_is
from minidino.successors.by_shape import HEAD_WIDTH, check_vit, heads_of_turns, is_rotary, vit_of
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.vit import VisionTransformer
from minidino.weights.beside import heads_beside, normalisation_beside
from minidino.weights.fit import Grid, fitted
from minidino.weights.names import Weights, our_names, tensors_in, the_network

METADATA = ("num_heads", "image_size", "eval_size")  # numbers that an export of ours tells


@dataclass(frozen=True)
class Trained:
    """A backbone to evaluate, and what is known of its training."""

    backbone: VisionTransformer  # in eval mode, on the CPU
    config: TrainConfig | None  # None if minidino did not train it
    folder: Path  # where figures of it go
    notes: tuple[str, ...] = ()  # what was chosen, assumed or left out, a line each
    source: str = ""  # what it was loaded by: a name, or the whole path
    told_size: int | None = None  # side of the images it was evaluated at, if an export tells
    told_reading: Reading = USUAL  # how its pictures were read, if an export tells
    names_digest: str | None = None  # of the pictures that a run trained on, see ``Pictures``

    @property
    def eval_size(self) -> int:
        """Side of the images to evaluate, in pixels; where nothing tells, the trained one.

        DINOv2's positions are of 518 px, and its own scores (table 4) of 224.
        """
        if self.config:
            return self.config.eval_size
        if self.told_size:
            return self.told_size
        side = self.backbone.image_size
        if isinstance(self.backbone, VisionTransformerV2):
            side = min(side, 224 // self.backbone.patch_size * self.backbone.patch_size)
        return side

    def side(self, asked: int | None) -> int:
        """The size asked for, or else ``eval_size``.

        Raises:
            UserError: if it does not divide into patches, or is beyond use.
        """
        size, patch = self.eval_size if asked is None else asked, self.backbone.patch_size
        if size < patch or size % patch or size > 4096:
            raise UserError(
                f"--size is {size}; it must be a multiple of the patch size, {patch}, up to 4,096"
            )
        return size

    @property
    def seed(self) -> int:
        return self.config.seed if self.config else 0

    @property
    def reading(self) -> Reading:
        """How the pictures that it was trained on were read."""
        return self.config.reading if self.config else self.told_reading

    def data(self, asked: str | None) -> str:
        """The data asked for, or else what the backbone was trained on.

        Raises:
            UserError: if neither is known, or what they were trained on is no longer there.
        """
        if asked is not None:
            return asked
        if self.config is None:
            raise UserError("these weights do not say what they were trained on; give --data")
        if (data := self.config.data) not in NAMES and not os.path.exists(located(data)):
            raise UserError(f"{data}, what these weights were trained on, is gone; give --data")
        return data

    def random(self) -> VisionTransformer:
        """The same architecture, untrained; for a run that began so, as it was before training."""
        config = self.config
        if config is not None and (config.init is None or config.backbone != "vit"):
            return random_backbone(config)
        with seeded(self.seed):
            sizes = self.backbone.state_dict()
            return vit_of(sizes, self.backbone.num_heads, "the backbone").eval()


def fingerprint(backbone: nn.Module) -> str:
    """A digest of a network's numbers: two of one fingerprint give the same features."""
    digest = hashlib.sha256()
    for name, v in backbone.state_dict().items():
        digest.update(f"{name} {v.dtype} {tuple(v.shape)}".encode())
        digest.update(v.detach().cpu().contiguous().numpy())
    heads = getattr(backbone, "num_heads", None)  # leave no trace in the weights
    digest.update(f"{heads} {backbone.patch_size}".encode())
    return digest.hexdigest()[:16]


def load_file(path: Path, num_heads: int | None, where: str, grid: Grid | None = None) -> Trained:
    """Arguments as ``load_pretrained``; ``where`` is what messages call the file."""
    left_out: list[str] = []
    content, known = _read(path, where, left_out)
    config, notes, told_size, reading, digest = None, [], None, USUAL, None
    if isinstance(content, dict) and content.get("format") == FORMAT:
        backbone, config = backbone_of(content, where)
        digest = content.get("names_digest")
        agreed_heads(config.num_heads, num_heads, where)
        if grid is not None and grid != (backbone.grid, backbone.grid):
            raise UserError(
                f"{where} has positions of {backbone.grid} x {backbone.grid} patches; no --grid"
            )
    else:
        named, notes = _the_weights(content, path, where, left_out)
        weights = our_names(named)
        beside = heads_beside(path, weights)
        told = known.get("num_heads", beside) or heads_of_turns(named)
        heads = agreed_heads(told, num_heads, where)
        try:
            check_vit(weights, where)
            weights, more = fitted(weights, grid, normalisation_beside(path), where)
            backbone = vit_of(weights, heads, where)
            load_weights(backbone, weights, where)
            sides = {
                k: known[k]
                for k in ("image_size", "eval_size")
                if 0 < known.get(k, 0) <= 4096 and known[k] % backbone.patch_size == 0
            }
            told_size = sides.get("eval_size")
            reading, unclear = _reading(known.get("reading"), where)
            more += unclear
            if is_rotary(weights) and "image_size" in sides:
                backbone.image_size = sides["image_size"]  # no learned position tells it
        except UserError as error:
            raise UserError(f"{error}{_guess(named)}") from None
        if heads is None:
            more.append(
                f"{where}: {backbone.num_heads} heads of {HEAD_WIDTH} were assumed, which weights "
                "do not tell; others with --num-heads (load_pretrained: num_heads)"
            )
        notes += more
    broken = [k for k, v in backbone.state_dict().items() if not v.isfinite().all()]
    if broken:
        raise UserError(
            f"{where} has NaN or infinite numbers in {len(broken)} parameters: "
            f"{', '.join(broken[:5])}"
        )
    told = {"told_size": told_size, "told_reading": reading, "names_digest": digest}
    return Trained(backbone.eval(), config, path.parent, tuple(notes), **told)


def _reading(told: str | None, where: str) -> tuple[Reading, list[str]]:
    """How pictures were read, as an export tells; and a line if that cannot be understood."""
    if told is None:
        return USUAL, []
    try:
        return Reading(**json.loads(told)), []
    except (ValueError, TypeError, RecursionError, UserError):
        line = f"{where}: how its pictures were read cannot be understood; they are read as usual"
        return USUAL, [line]


def _read(path: Path, where: str, left_out: list[str]) -> tuple[Any, dict[str, Any]]:
    """The content of a file, and of heads, sides and reading of images what its metadata tells.

    What it holds decides how it is read, not its suffix. ``left_out``: see ``read_torch_file``.
    """
    if not is_safetensors(path):
        return read_torch_file(path, where, left_out), {}
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}  # of strings
            # Heads leave no trace in the weights; of sides others may say anything: "(224, 224)".
            known: dict[str, Any] = {
                name: int(value)
                for name in METADATA
                if (value := told.get(name)) and (name == "num_heads" or value.isdecimal())
            }
            if "reading" in told:
                known["reading"] = told["reading"]
            return {name: file.get_tensor(name) for name in file.keys()}, known  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        why = what_it_is(path) or f"it is cut short or damaged ({error})"
        raise UserError(f"{where} is not a readable safetensors file; {why}") from None


def _the_weights(
    content: Any, path: Path, where: str, left_out: list[str]
) -> tuple[Weights, list[str]]:
    """The parameters of the network in a file's content, and lines about the choice.

    Raises:
        UserError: if there are none, or they are not plain floating-point numbers.
    """
    named = tensors_in(content) if isinstance(content, dict) else {}
    if not named:
        without = f" but in {few(left_out)} (nothing in it was run)" if left_out else ""
        raise UserError(
            f"{where} holds no weights (no dictionary of names and tensors){without}; where it was "
            "made, save its weights, state_dict(), in a file of their own"
        )
    weights, notes = the_network(named, where)
    if left_out:
        why = "as it needs code of its own (nothing in it was run)"
        notes.append(f"{where}: left out, {why}: {few(left_out)}")
    odd = [
        name
        for name, v in weights.items()
        if not v.is_floating_point() or v.layout != torch.strided or v.device.type != "cpu"
    ]
    if odd:
        raise UserError(
            f"{where} has {len(odd)} entries that are no floating-point weights: "
            f"{', '.join(odd[:5])}{_guess(weights)}"
        )
    # A tensor may show one stored number many times, and so claim any size.
    if sum(v.nbytes for v in weights.values()) > path.stat().st_size:
        raise UserError(f"{where} claims more numbers than the file holds; it was refused")
    return weights, notes


def agreed_heads(known: int | None, asked: int | None, where: str) -> int | None:
    if known is not None and asked is not None and known != asked:
        raise UserError(f"{where} has {known} attention heads, not {asked}")
    heads = asked if known is None else known
    if heads is not None and heads < 1:
        raise UserError(f"{where} cannot have {heads} attention heads")
    return heads


_OTHERS = [
    (r"dist_token|distillation_token", "a distilled DeiT"),
    (r"fc_norm\.", "a ViT that averages its patches and leaves [CLS] unused (fc_norm)"),
    (r"class_embedding|resblocks\.|pre_layrnorm|norm_pre", "CLIP's ViT"),
    (r"(layer\d|stages|features)\.\d+\.|conv1\.|bn1\.", "a convolutional network"),
]


def _guess(names: Iterable[str]) -> str:
    """What other architecture the names of parameters remind of."""
    names = "\n".join(names)
    for pattern, what in _OTHERS:
        if re.search(pattern, names):
            return f"; it looks like {what}, which minidino does not have"
    return ""
