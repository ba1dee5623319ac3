"""A file of weights, whatever it calls its parameters: a ``VisionTransformer`` comes out.

Patch size, width, depth and grid are read from the shapes of the weights. The number of attention
heads leaves no trace in them, and a wrong one loads without complaint and computes nonsense. It
is taken from

1. what accompanies the weights: the configuration in a checkpoint of ours, the metadata of an
   export, or ``num_attention_heads`` in a Hugging Face ``config.json`` beside the file;
2. else the argument ``num_heads``;
3. else heads of 64 numbers each, as in every released DINO, DeiT and ViT from Ti to L; a line
   says so.

Files are read with ``weights_only=True`` or as safetensors: nothing in them is run.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from minidino.config import Reading, TrainConfig
from minidino.data.listing import few
from minidino.errors import UserError
from minidino.run.checkpoint import (
    FORMAT,
    backbone_of,
    load_weights,
    random_backbone,
    read_torch_file,
)
from minidino.run.kind import is_safetensors, what_it_is
from minidino.successors.registers import RegisterViT
from minidino.successors.rope import RotaryViT
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.successors.vit_v3 import VisionTransformerV3
from minidino.vit import VisionTransformer
from minidino.weights.beside import heads_beside, normalisation_beside
from minidino.weights.fit import Grid, check_vit, fitted, is_rotary
from minidino.weights.names import Weights, our_names, tensors_in, the_network

HEAD_WIDTH = 64


@dataclass(frozen=True)
class Trained:
    """A backbone to evaluate, and what is known of its training."""

    backbone: VisionTransformer  # in eval mode, on the CPU
    config: TrainConfig | None  # None if minidino did not train it
    folder: Path  # where figures of it go
    notes: tuple[str, ...] = ()  # what was chosen, assumed or left out, a line each

    @property
    def eval_size(self) -> int:
        """Side of the images to evaluate, in pixels; without a configuration, the trained one.

        DINOv2's positions are of 518 px, and its own scores (table 4) of 224.
        """
        if self.config:
            return self.config.eval_size
        side = self.backbone.image_size
        if isinstance(self.backbone, VisionTransformerV2):
            side = min(side, 224 // self.backbone.patch_size * self.backbone.patch_size)
        return side

    @property
    def seed(self) -> int:
        return self.config.seed if self.config else 0

    @property
    def reading(self) -> Reading:
        """How the pictures that it was trained on were read."""
        return self.config.reading if self.config else Reading()

    def data(self, asked: str | None) -> str:
        """The data asked for, or else what the backbone was trained on.

        Raises:
            UserError: if neither is known.
        """
        if asked is None and self.config is None:
            raise UserError("these weights do not say what they were trained on; give --data")
        return self.config.data if asked is None else asked

    def random(self) -> VisionTransformer:
        """The same architecture, untrained; for a run of ours, as it was before training."""
        if self.config is not None:
            return random_backbone(self.config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            sizes = self.backbone.state_dict()
            return _build(sizes, self.backbone.num_heads, "the backbone").eval()


def load_file(path: Path, num_heads: int | None, where: str, grid: Grid | None = None) -> Trained:
    """Arguments as ``load_pretrained``; ``where`` is what messages call the file."""
    left_out: list[str] = []
    content, known = _read(path, where, left_out)
    config, notes = None, []
    if isinstance(content, dict) and content.get("format") == FORMAT:
        backbone, config = backbone_of(content, where)
        agreed_heads(config.num_heads, num_heads, where)
        if grid is not None and grid != (backbone.grid, backbone.grid):
            raise UserError(
                f"{where} has positions of {backbone.grid} x {backbone.grid} patches; no --grid"
            )
    else:
        named, notes = _the_weights(content, path, where, left_out)
        weights = our_names(named)
        beside = heads_beside(path, weights)
        heads = agreed_heads(beside if known is None else known, num_heads, where)
        try:
            check_vit(weights, where)
            weights, more = fitted(weights, grid, normalisation_beside(path), where)
            backbone = _build(weights, heads, where)
            load_weights(backbone, weights, where)
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
    return Trained(backbone.eval(), config, path.parent, tuple(notes))


def _read(path: Path, where: str, left_out: list[str]) -> tuple[Any, int | None]:
    """The content of a file, and the number of heads if its metadata tells.

    What it holds decides how it is read, not its suffix. ``left_out``: see ``read_torch_file``.
    """
    if not is_safetensors(path):
        return read_torch_file(path, where, left_out), None
    try:
        with safe_open(path, framework="pt") as file:
            heads = (file.metadata() or {}).get("num_heads")  # a string
            return {name: file.get_tensor(name) for name in file.keys()}, heads and int(heads)  # noqa: SIM118
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


def _build(weights: Weights, num_heads: int | None, where: str) -> VisionTransformer:
    """A fresh ViT of the sizes that the weights have, which ``check_vit`` found there.

    Raises:
        UserError: if they do not make a ViT, or the number of heads cannot be told.
    """
    width, _, _, patch = weights["patch_embed.proj.weight"].shape
    gated = "blocks.0.mlp.w12.weight" in weights
    hidden = len(weights[f"blocks.0.mlp.{'w12' if gated else 'fc1'}.weight"]) // (1 + gated)
    rotary = is_rotary(weights)
    grid = 224 // patch if rotary else math.isqrt(max(weights["pos_embed"].shape[1] - 1, 0))
    depth = len({k.split(".")[1] for k in weights if k.startswith("blocks.")})
    # Many small entries could ask for a network far larger than the file.
    if depth * width * (4 * width + 2 * hidden) > 2 * sum(v.numel() for v in weights.values()):
        raise UserError(f"{where} is too small for {depth} blocks of width {width}")
    if num_heads is None and width % HEAD_WIDTH:
        raise UserError(
            f"{where} does not tell its number of attention heads, and its width {width} is no "
            f"multiple of {HEAD_WIDTH}; give --num-heads (load_pretrained: num_heads), or put a "
            f'config.json beside the file: {{"num_attention_heads": ..., "hidden_size": {width}}}'
        )
    sizes: dict[str, Any] = {
        "image_size": grid * patch,
        "patch_size": patch,
        "embed_dim": width,
        "depth": depth,
        "num_heads": num_heads or width // HEAD_WIDTH,
    }
    try:
        with torch.random.fork_rng(devices=[]):  # to load is not to draw
            registers = weights.get("register_tokens", torch.empty(1, 0, width)).shape[1]
            if "blocks.0.ls1.gamma" not in weights:
                sizes["mlp_ratio"] = (hidden + 0.5) / width  # the ViT rounds down
                if not rotary and not registers:
                    return VisionTransformer(**sizes)
                return (RotaryViT if rotary else RegisterViT)(**sizes, registers=registers)
            kind = VisionTransformerV3 if rotary else VisionTransformerV2
            return kind(**sizes, hidden_dim=hidden, gated=gated, registers=registers)
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"{where} does not make a ViT: {error}") from None


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
