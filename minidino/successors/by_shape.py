"""The ViT, of whatever generation, that weights are of: its sizes are read from their shapes."""

import math
from typing import Any

import torch
from torch import Tensor

from minidino.errors import UserError
from minidino.successors.registers import RegisterViT
from minidino.successors.vit_rope import RotaryViT
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.successors.vit_v3 import VisionTransformerV3
from minidino.vit import VisionTransformer

Weights = dict[str, Tensor]
HEAD_WIDTH = 64


def is_rotary(weights: Weights) -> bool:
    """No learned positions, but periods of turns, or branches that are scaled: DINOv3."""
    marks = {"rope_embed.periods", "blocks.0.ls1.gamma"}
    return "pos_embed" not in weights and bool(marks & weights.keys())


def heads_of_turns(weights: Weights) -> int | None:
    """A DINOv3's heads, where its file has the periods of turns: a quarter of a head's width."""
    periods, token = (weights.get(k, torch.empty(0)) for k in ("rope_embed.periods", "cls_token"))
    return token.shape[-1] // (4 * len(periods)) if periods.numel() and periods.ndim else None


def check_vit(weights: Weights, where: str) -> None:
    """Raises UserError if what the sizes of a ViT are read from is not there, or turns positions
    in another way than DINOv3, which always has registers.
    """
    mlp = "w12" if "blocks.0.mlp.w12.weight" in weights else "fc1"
    sized = {"pos_embed": 3, "patch_embed.proj.weight": 4, f"blocks.0.mlp.{mlp}.weight": 2}
    if is_rotary(weights):
        del sized["pos_embed"]
        if "blocks.0.ls1.gamma" in weights and "register_tokens" not in weights:
            raise UserError(
                f"{where} has neither positions nor registers: a ViT that turns its tokens, but "
                "not as DINOv3 does; the library it is from (timm, perhaps) computes it"
            )
    lacking = [k for k, ndim in sized.items() if k not in weights or weights[k].ndim != ndim]
    if lacking:
        raise UserError(
            f"{where} is not a ViT as DINO's: no {' and no '.join(lacking)} "
            f"among its {len(weights)} parameters"
        )


def vit_of(weights: Weights, num_heads: int | None, where: str) -> VisionTransformer:
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
