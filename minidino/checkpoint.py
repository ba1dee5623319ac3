"""Checkpoints: written whole or not at all, read without running anyone's code.

A checkpoint is one file that holds what a run needs to go on (both networks, center,
optimizer, position) and what anybody needs to use it (the configuration). The names inside
are the official ones: ``student`` and ``teacher`` state dicts with ``backbone.`` and
``head.`` prefixes.
"""

import os
import pickle
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from minidino.config import TrainConfig
from minidino.errors import UserError
from minidino.vit import VisionTransformer

FORMAT = "minidino-1"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path``; whoever reads sees the old file or the new one, never half.

    Raises:
        UserError: if the file cannot be written; an older one is still there.
    """
    path = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            torch.save({"format": FORMAT} | state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise UserError(f"could not write {path}: {error}; what was saved before is kept") from None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; only tensors and plain values are unpickled.

    Args:
        path: a checkpoint, or the folder of a run that holds ``checkpoint.pt``.

    Raises:
        UserError: if there is none, it is damaged, or it is not one of minidino's.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "checkpoint.pt"
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; train one with: minidino train --out FOLDER")
    try:
        with warnings.catch_warnings():  # the error below says all there is to say
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError):
        raise UserError(f"{path} is not a readable checkpoint; it may be cut short") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path} is not a minidino checkpoint (format {FORMAT})")
    return state


def load_weights(module: nn.Module, weights: dict[str, torch.Tensor], where: str) -> None:
    """Load weights into a module, or say which do not fit.

    Raises:
        UserError: naming the first keys that are missing, unexpected or of another shape.
    """
    own = module.state_dict()
    problems = [f"{k} missing" for k in own if k not in weights]
    problems += [f"{k} unexpected" for k in weights if k not in own]
    problems += [
        f"{k} is {tuple(weights[k].shape)}, not {tuple(own[k].shape)}"
        for k in own
        if k in weights and weights[k].shape != own[k].shape
    ]
    if problems:
        shown = "; ".join(problems[:5])
        raise UserError(f"{where} does not fit this model ({len(problems)} differences: {shown})")
    module.load_state_dict(weights)


def build_backbone(config: TrainConfig, drop_path_rate: float = 0.0) -> VisionTransformer:
    """The ViT a configuration describes, with fresh weights."""
    return VisionTransformer(
        image_size=config.global_size,
        patch_size=config.patch_size,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.num_heads,
        drop_path_rate=drop_path_rate,
    )


def load_backbone(path: Path, which: str = "teacher") -> tuple[VisionTransformer, TrainConfig]:
    """The trained backbone of a checkpoint, in eval mode on the CPU, and its configuration.

    The teacher is the better of the two networks throughout training (figure 6 of the paper).
    """
    state = load_checkpoint(path)
    config = TrainConfig.from_dict(state["config"])
    prefix = "backbone."
    weights = {k[len(prefix) :]: v for k, v in state[which].items() if k.startswith(prefix)}
    backbone = build_backbone(config)
    load_weights(backbone, weights, str(path))
    return backbone.eval(), config


def random_backbone(config: TrainConfig) -> VisionTransformer:
    """The same backbone as it was before training: what trained weights are compared with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build_backbone(config).eval()
