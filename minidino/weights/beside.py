"""What lies beside a file of weights: the configurations of Hugging Face and of timm."""

import json
from pathlib import Path
from typing import Any

import torch

from minidino.errors import UserError
from minidino.weights.names import Weights

UNREADABLE = "{} is not a readable configuration; move it away if it is not of these weights"
Normalisation = tuple[list[float], list[float]]  # mean and standard deviation of each channel


def _content(file: Path) -> dict[str, Any]:
    """An empty one if there is no such file.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError, RecursionError):  # the last for brackets in brackets in ...
        content = None
    if not isinstance(content, dict):
        raise UserError(UNREADABLE.format(file))
    return content


def heads_beside(path: Path, weights: Weights) -> int | None:
    """``num_attention_heads`` of a Hugging Face ``config.json`` in the same folder.

    Raises:
        UserError: if it cannot be read, or describes something that our ViT does not compute.
    """
    file = path.with_name("config.json")
    config = _content(file)
    try:
        heads, width = config.get("num_attention_heads"), config.get("hidden_size")
        heads = None if heads is None else int(heads)
        theta = float(config.get("rope_theta", 100.0))
        epsilon = float(config.get("layer_norm_eps", 1e-6))
    except (ValueError, TypeError):
        raise UserError(UNREADABLE.format(file)) from None
    if weights.get("cls_token", torch.empty(0)).shape[-1] != width:
        return None  # it describes something else
    blocks = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    if (depth := config.get("num_hidden_layers", blocks)) != blocks:
        raise UserError(f"{path} holds {blocks} blocks, and {file} says {depth}: part is missing")
    known = "silu" if config.get("use_gated_mlp") else "gelu"  # the gate of DINOv3's
    if (activation := config.get("hidden_act", known)) != known:
        raise UserError(f"{file} asks for the activation {activation}; DINO's ViT has gelu")
    if theta != 100.0:
        raise UserError(f"{file} asks for rope_theta {theta}; DINOv3's positions have 100")
    if epsilon > 1e-5:  # what is smaller vanishes beside the variance of a token's numbers
        raise UserError(f"{file} asks for layer_norm_eps {epsilon}; DINO's ViT has 1e-6")
    return heads


def normalisation_beside(path: Path) -> Normalisation | None:
    """What the network's pictures were normalised with, of values from 0 to 1, where it is told:
    by Hugging Face's ``preprocessor_config.json``, or ``pretrained_cfg`` in timm's ``config.json``.

    Raises:
        UserError: if one of them is there and cannot be read.
    """
    file = path.with_name("preprocessor_config.json")
    if file.is_file():
        told = _content(file)
        factor = told.get("rescale_factor", 1 / 255) if told.get("do_rescale", True) else 1.0
        mean, std = told.get("image_mean"), told.get("image_std")
        if not told.get("do_normalize", True):
            mean, std = [0.0] * 3, [1.0] * 3
    else:
        file, factor = path.with_name("config.json"), 1 / 255
        told = _content(file).get("pretrained_cfg")
        told = told if isinstance(told, dict) else {}
        mean, std = told.get("mean"), told.get("std")
    if mean is None or std is None:
        return None
    try:
        mean, std = ([float(v) / (255 * factor) for v in values] for values in (mean, std))
        if min(std) <= 0 or len(mean) != len(std):
            raise ValueError
    except (ValueError, TypeError, ZeroDivisionError):
        raise UserError(UNREADABLE.format(file)) from None
    return mean, std
