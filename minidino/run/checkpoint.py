"""Checkpoints: written whole or not at all, read without running anyone's code.

A checkpoint is one file that holds what a run needs to go on (both networks, center,
optimizer, position) and what anybody needs to use it (the configuration). The names inside
are the official ones: ``student`` and ``teacher`` state dicts with ``backbone.`` and
``head.`` prefixes. A run keeps its last two.
"""

import argparse
import operator
import os
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from minidino.config import TrainConfig
from minidino.convnet import ConvNet
from minidino.engine.chance import seeded
from minidino.errors import UserError
from minidino.run.files import replacing
from minidino.run.kind import what_it_is
from minidino.successors.backbone import build_backbone
from minidino.successors.by_shape import check_vit, vit_of
from minidino.trainer import Trainer
from minidino.vit import VisionTransformer

T = TypeVar("T")

# What the official checkpoints hold beside tensors and plain values, and runs nothing: the command
# line in a Namespace, and learning rates as NumPy's numbers, by their names before and since 2.0.
_number = np.float64(0).__reduce__()[0]  # (dtype, bytes) -> a number
HARMLESS = [
    argparse.Namespace,
    np.dtype,
    *{type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"] + "?"},
    *((_number, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]

FORMAT = "minidino-1"
LATEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


class UnreadableCheckpoint(UserError):
    """A file that is damaged, or no checkpoint at all."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path``; whoever reads sees the old file or the new one, never half.

    The file it replaces stays beside it as ``checkpoint.previous.pt``.

    Raises:
        UserError: if the file cannot be written; an older one is still there.
    """
    path = Path(path)
    try:
        with replacing(path, keep_as=path.with_name(PREVIOUS)) as partial, partial.open("wb") as f:
            torch.save({"format": FORMAT} | state, f)
    except (OSError, RuntimeError) as error:
        # Where a write fails, torch raises an error of its own on the way out.
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        cause = getattr(cause, "strerror", None) or cause
        raise UserError(f"could not write {path}: {cause}; what was saved before is kept") from None


def has_checkpoint(folder: Path) -> bool:
    """Does the folder hold a training run?"""
    return any((folder / name).exists() for name in (LATEST, PREVIOUS))


def from_newest(folder: Path, read: Callable[[Path], T]) -> tuple[T, Path]:
    """``read(file)`` of a run's latest checkpoint, and the file; of the one before it where the
    latest is damaged or missing, with a word about that.

    Raises:
        UserError: if neither can be read, or there is none.
    """
    latest, previous = folder / LATEST, folder / PREVIOUS
    if not previous.exists():
        return read(latest), latest
    try:
        if not latest.exists():
            raise UnreadableCheckpoint(f"{latest} is missing")
        return read(latest), latest
    except UnreadableCheckpoint as error:
        try:
            found = read(previous)
        except UnreadableCheckpoint:
            raise error from None
        tqdm.write(f"{error}; using the one before it, {previous}", file=sys.stderr)
        return found, previous


class _Inert:
    """In the place of an array of NumPy's: holds nothing, whatever it is given."""

    def __new__(cls, *args: Any) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


class _Dictionary:
    """In the place of what else needs code of its own; weights may lie in it as in any other."""

    def __new__(cls, *args: Any) -> OrderedDict:
        return OrderedDict()


def read_torch_file(path: Path, where: str, left_out: list[str] | None = None) -> Any:
    """What ``torch.save`` wrote, on the CPU; only tensors and plain values are unpickled.

    Args:
        path: the file.
        where: what messages call it.
        left_out: if given, settings and the like that need code of their own do not make the file
            unreadable: a dictionary is put in the place of each, and their names in this list.

    Raises:
        UserError: if it is empty, damaged, would run code, or unpacks to more than it is.
    """
    try:
        size = path.stat().st_size
        if not size:
            raise UnreadableCheckpoint(f"{where} is not a readable checkpoint: the file is empty")
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"  # how torch.load tells, too
        if zipped:
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > size:
                raise UserError(
                    f"{where} declares {unpacked:,} bytes in a file of {size:,}; torch.save does "
                    "not compress, so this is no checkpoint and was not unpacked"
                )
        return _unpickled(path, HARMLESS)
    except UserError:
        raise
    except OSError as error:  # of the disk, which may answer the next time: it is not damaged
        raise UserError(f"{where} is not a readable checkpoint: {error.strerror}") from None
    except Exception:  # a damaged pickle may raise anything
        if more := _more_than_values(path):
            with suppress(Exception):
                if left_out is not None:
                    kinds = [_Inert if n.startswith("numpy.") else _Dictionary for n in more]
                    content = _unpickled(path, [*HARMLESS, *zip(kinds, more, strict=True)])
                    left_out += more
                    return content
            raise UnreadableCheckpoint(
                f"{where} holds more than tensors and plain values: {', '.join(more[:5])}"
                f"{f' and {len(more) - 5} more' if len(more) > 5 else ''} (nothing in it was run); "
                "where it was made, save its weights in a file of their own"
            ) from None
        unknown = "it is cut short, or holds more than tensors and plain values"
        raise UnreadableCheckpoint(
            f"{where} is not a readable checkpoint; "
            f"{what_it_is(path) or f'{unknown} (nothing in it was run)'}"
        ) from None


def _unpickled(path: Path, allowed: list) -> Any:
    with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
        warnings.simplefilter("ignore")  # the errors say all there is to say
        with path.open("rb") as file:  # of a path PyTorch would judge by its suffix
            return torch.load(file, map_location="cpu", weights_only=True)


def _more_than_values(path: Path) -> list[str]:
    """What a whole file of ``torch.save`` would call to be read; its code is listed, not run."""
    try:
        with torch.serialization.safe_globals(HARMLESS):
            return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # damaged, or of the older format
        return []


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of minidino's.

    Args:
        path: a checkpoint, or the folder of a run; then the latest that is whole.

    Raises:
        UserError: if there is none, it is damaged, or it is not one of minidino's.
    """
    path = Path(path)
    return from_newest(path, _load)[0] if path.is_dir() else _load(path)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; train one with: minidino train --out FOLDER")
    state = read_torch_file(path, str(path))
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path} is not a minidino checkpoint (format {FORMAT})")
    return state


def load_to_resume(folder: Path) -> dict[str, Any]:
    """As ``load_checkpoint``, of a run that is about to write to its folder again.

    A damaged latest checkpoint is replaced by the one before it, lest the next save keep the
    damaged one and drop the other.
    """
    state, file = from_newest(folder, _load)
    if file.name == PREVIOUS:
        os.replace(file, folder / LATEST)
    return state


def load_weights(module: nn.Module, weights: dict[str, torch.Tensor], where: str) -> None:
    """Load weights into a module, or say which do not fit.

    Raises:
        UserError: naming the first keys that are missing, unexpected or of another shape.
    """
    own = module.state_dict()
    if not isinstance(weights, dict) or not all(
        isinstance(v, Tensor)  # batch norm keeps a whole number
        and (v.is_floating_point() or (k in own and not own[k].is_floating_point()))
        for k, v in weights.items()
    ):
        raise UserError(f"{where} has entries that are no weights")
    problems = [f"{k} missing" for k in own if k not in weights]
    problems += [f"{k} unexpected" for k in weights if k not in own]
    problems += [
        f"{k} is {tuple(weights[k].shape)}, not {tuple(own[k].shape)}"
        for k in own
        if k in weights and weights[k].shape != own[k].shape
    ]
    if problems:
        shown = "; ".join(problems[:5])
        found = f"{len(problems)} difference{'s' * (len(problems) > 1)}"
        raise UserError(f"{where} does not fit this model ({found}: {shown})")
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:  # sparse, for example
        raise UserError(f"{where} has weights that cannot be used: {str(error)[-200:]}") from None


def resume(trainer: Trainer, state: dict[str, Any], where: str) -> None:
    """Bring a trainer to the state that a checkpoint holds.

    Args:
        trainer: of the same settings, fresh.
        state: what ``load_checkpoint`` read.
        where: what messages call it.

    Raises:
        UserError: if it is of another network or of data of another size, or lacks a part.
    """
    try:
        if state["steps_per_epoch"] != trainer.steps_per_epoch:
            raise UserError(
                f"{where} was made with {state['steps_per_epoch']} steps an epoch, this data "
                f"gives {trainer.steps_per_epoch}; resume on the same data and batch size"
            )
        load_weights(trainer.student, state["student"], where)
        load_weights(trainer.teacher, state["teacher"], where)
        load_weights(trainer.criterion, state["loss"], where)
        trainer.optimizer.load_state_dict(state["optimizer"])
        for p, kept in trainer.optimizer.state.items():  # AdamW would write past a smaller one
            if not kept["exp_avg"].shape == kept["exp_avg_sq"].shape == p.shape:
                raise ValueError(f"moments of another shape than {tuple(p.shape)}")
        if scale := state.get("scaler"):  # empty but in fp16
            trainer.gradients.scaler.load_state_dict(scale)
        trainer.now = operator.index(state["step"])
        if not 0 <= trainer.now <= trainer.total_steps:
            raise ValueError(f"step {trainer.now} of {trainer.total_steps}")
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(
            f"{where} is not what a run goes on from: {type(error).__name__} {error}; start "
            "anew with another --out"
        ) from None


def load_backbone(path: Path, which: str = "teacher") -> tuple[VisionTransformer, TrainConfig]:
    """The trained backbone of a checkpoint, in eval mode on the CPU, and its configuration.

    The teacher is the better of the two networks throughout training (figure 6 of the paper).
    """
    return backbone_of(load_checkpoint(path), str(path), which)


def backbone_of(
    state: dict[str, Any], where: str, which: str = "teacher"
) -> tuple[VisionTransformer, TrainConfig]:
    """As ``load_backbone``, of a checkpoint that is already read from ``where``."""
    prefix = "backbone."
    try:
        config = TrainConfig.from_dict(state["config"])
        weights = {k[len(prefix) :]: v for k, v in state[which].items() if k.startswith(prefix)}
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{where} lacks the configuration or the {which} of a checkpoint") from None
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    # A few numbers could ask for a network far larger than the file. (A tensor may show one
    # stored number many times; what is stored counts.)
    stored = {
        v.untyped_storage().data_ptr(): v.untyped_storage().nbytes() // v.element_size()
        for v in weights.values()
        if isinstance(v, Tensor) and v.layout == torch.strided
    }
    grid = config.global_size // config.patch_size
    needed = config.embed_dim * (12 * config.depth * config.embed_dim + grid**2)
    claimed = sum(v.numel() for v in weights.values() if isinstance(v, Tensor))
    if config.backbone == "vit" and max(needed, claimed) > 2 * sum(stored.values()):
        raise UserError(
            f"{where} is too small for {config.depth} blocks of width {config.embed_dim} "
            f"on {grid} x {grid} patches"
        )
    backbone = backbone_like(config, weights, where)
    load_weights(backbone, weights, where)
    return backbone.eval(), config


def backbone_like(
    config: TrainConfig, weights: dict[str, Tensor], where: str
) -> VisionTransformer | ConvNet:
    """The backbone of a run, its numbers fresh; of one that began with weights of others (--init),
    the settings do not tell all sizes, and these are.

    Raises:
        UserError: if they make no ViT.
    """
    if config.init is None or config.backbone != "vit":
        return build_backbone(config)
    try:
        check_vit(weights, where)
        return vit_of(weights, config.num_heads, where)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise UserError(f"{where} has entries that make no ViT: {error}") from None


def random_backbone(config: TrainConfig) -> VisionTransformer:
    """The same backbone as it was before training: what trained weights are compared with."""
    with seeded(config.seed):
        return build_backbone(config).eval()
