"""What each number of a configuration may be, and one line for what it may not."""

import math
import sys
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin

from minidino.errors import UserError

# The least and the greatest value. Where sizes end is far beyond use: so a damaged checkpoint
# cannot ask for more memory than there is.
_SIDE, _WIDTH, _SHARE, _POSITIVE = (1, 8192), (1, 65536), (0, 1), (0, math.inf)
LIMITS = {
    "image_size": _SIDE, "eval_size": _SIDE, "global_size": _SIDE, "local_size": _SIDE,
    "patch_size": (1, 1024), "n_local": (0, 100), "max_images": (1, 10**9), "seed": (0, 2**63 - 1),
    "embed_dim": _WIDTH, "hidden_dim": _WIDTH, "bottleneck_dim": _WIDTH, "num_heads": (1, 1024),
    "depth": (1, 1000), "drop_path_rate": (0, 0.99), "out_dim": (2, 2**24),
    "global_scale": (1e-6, 1), "local_scale": (1e-6, 1),
    "epochs": (1, 100_000), "batch_size": (2, 10**6), "log_every": (1, 10**9),
    "knn_evals": (0, 10_000), "snapshots": (0, 10_000),
    "base_lr": _POSITIVE, "min_lr": _POSITIVE, "clip_grad": _POSITIVE,
    "weight_decay": _POSITIVE, "weight_decay_end": _POSITIVE,
    "warmup_epochs": _POSITIVE, "warmup_teacher_temp_epochs": _POSITIVE,
    "freeze_last_layer_epochs": _POSITIVE,
    "student_temp": (1e-4, 100), "teacher_temp": (1e-4, 100), "warmup_teacher_temp": (1e-4, 100),
    "center_momentum": _SHARE, "teacher_momentum": _SHARE, "teacher_momentum_end": _SHARE,
    "queue_length": (1, 2**24), "registers": (0, 1024), "koleo": _POSITIVE, "ibot": _POSITIVE,
    "gram": (1e-6, 100_000),
    "jitter_p": _SHARE, "grayscale_p": _SHARE, "blur_p": _SHARE, "solarize_p": _SHARE,
    "brightness": (0, 100), "contrast": (0, 100), "saturation": (0, 100), "hue": (0, 0.5),
    "blur_sigma": (1e-3, 100),
}  # fmt: skip


def check_limits(settings: Any) -> None:
    """Each field of a dataclass against its type and ``LIMITS``.

    Raises:
        UserError: naming the field, its value and what it must be.
    """
    for f in fields(settings):
        value = getattr(settings, f.name)
        if get_origin(f.type) is Literal:
            if value not in get_args(f.type):
                raise UserError(
                    f"{f.name} is {value!r}; it must be one of {', '.join(get_args(f.type))}"
                )
            continue
        if f.name not in LIMITS:
            if not isinstance(value, f.type):
                kind = getattr(f.type, "__name__", f.type)
                raise UserError(f"{f.name} is {value!r}; it must be of type {kind}")
            continue
        if value is None and type(None) in get_args(f.type):
            continue
        several = isinstance(value, tuple)
        count = len(get_args(f.type)) if f.type not in (int, int | None, float, float | None) else 1
        numbers = value if several else (value,)
        whole, (low, high) = f.type in (int, int | None), LIMITS[f.name]
        if (
            several != (count > 1)
            or len(numbers) != count
            or not all(
                isinstance(v, Integral if whole else Real)
                and not isinstance(v, bool)
                and low <= v <= min(high, sys.float_info.max)  # a whole number may be any size
                for v in numbers
            )
        ):
            one = "a whole number" if whole else "a number"
            kind = f"a tuple of {count} numbers" if count > 1 else one
            bounds = f"at least {low}" if high == math.inf else f"from {low} to {high}"
            raise UserError(f"{f.name} is {value!r}; it must be {kind}, {bounds}")


def check_together(config: Any) -> None:
    """Raises UserError for settings of a training that cannot be beside each other."""
    c = config
    if c.backbone == "vit" and c.init is None:  # weights bring their sizes, which sides then follow
        check_patches(c)
    for name, (low, high) in (
        ("global_scale", c.global_scale),
        ("local_scale", c.local_scale),
        ("blur_sigma", c.appearance.blur_sigma),
    ):
        if low > high:
            raise UserError(f"{name} is ({low}, {high}); give the lower end first")
    for name in ("warmup_epochs", "warmup_teacher_temp_epochs"):
        if (long := getattr(c, name)) > c.epochs:
            raise UserError(f"{name} is {long:g}, longer than the training of {c.epochs} epochs")
    if c.min_lr > c.base_lr > 0:
        raise UserError(f"min_lr {c.min_lr:g} is above base_lr {c.base_lr:g}")
    check_pieces(c)


def check_patches(config: Any) -> None:
    """Raises UserError for sizes that make no ViT; a ResNet takes pictures of any."""
    c, p = config, config.patch_size
    for name in ("global_size", "local_size", "eval_size", "image_size"):
        if (size := getattr(c, name)) < p:
            raise UserError(f"{name} {size} is smaller than a patch of {p} px")
    for name in ("global_size", "local_size", "eval_size"):
        if (size := getattr(c, name)) % p:
            raise UserError(
                f"{name} {size} is not a multiple of patch_size {p}; "
                f"try {size // p * p} or {-(-size // p) * p}"
            )
    if c.embed_dim % c.num_heads:
        raise UserError(
            f"num_heads: embed_dim {c.embed_dim} does not divide into {c.num_heads} heads"
        )


# Settings that say nothing to the objectives that are not named.
_VIEWS, _TARGETS, _TEACHER = ("dino", "swav", "lejepa"), ("dino",), ("dino", "moco", "byol")
_PROJECTED = ("dino", "simclr", "moco", "byol", "swav", "lejepa")
READ_BY = {
    "n_local": _VIEWS, "local_size": _VIEWS, "local_scale": _VIEWS,
    "teacher": _TEACHER, "teacher_momentum": _TEACHER, "teacher_momentum_end": _TEACHER,
    "pair_loss": _TARGETS, "center_momentum": _TARGETS,
    "teacher_temp": _TARGETS, "warmup_teacher_temp": _TARGETS,
    "warmup_teacher_temp_epochs": _TARGETS, "head_batch_norm": _TARGETS,
    "norm_last_layer": _TARGETS, "student_temp": ("dino", "simclr", "moco", "swav"),
    "out_dim": ("dino", "swav"), "queue_length": ("moco",),
    "freeze_last_layer_epochs": ("dino", "swav"),
    "hidden_dim": _PROJECTED, "bottleneck_dim": _PROJECTED,
}  # fmt: skip


def check_read(config: Any, typed: set[str]) -> None:
    """Raises UserError for a setting that was typed and that the training does not read."""
    for name in sorted(typed & set(READ_BY)):
        flag = f"--{name.replace('_', '-')}"
        if config.objective not in READ_BY[name]:
            raise UserError(
                f"{flag} is for the objective {' or '.join(READ_BY[name])}, and "
                f"{config.objective} does not read it; leave it out"
            )
        if name == "center_momentum" and config.centering == "sinkhorn":
            raise UserError(f"{flag} is the center's, and Sinkhorn has none; leave it out")
        if name.startswith("teacher_momentum") and config.teacher != "ema":
            raise UserError(
                f"{flag} is for --teacher ema, and {config.teacher} does not read it; leave it out"
            )


# The settings that add something of a successor (minidino/successors/) to DINO.
PIECES = ("registers", "positions", "koleo", "centering", "ibot", "gram")


def pieces_of(config: Any) -> list[str]:
    """Those of ``PIECES`` that a training's settings ask for."""
    return [
        f.name for f in fields(config) if f.name in PIECES and vars(config)[f.name] != f.default
    ]


def check_pieces(config: Any) -> None:
    """Raises UserError for pieces that a training's other settings leave no place for."""
    pieces, c = pieces_of(config), config
    if pieces and c.objective != "dino":
        raise UserError(
            f"{pieces[0]} is a piece to add to DINO; --objective {c.objective} has no place for it"
        )
    of_a_vit = [name for name in pieces if name not in ("koleo", "centering")]
    if of_a_vit and c.backbone != "vit":
        raise UserError(f"{of_a_vit[0]} needs a ViT, and the backbone is {c.backbone}")
    of_the_network = [name for name in pieces if name in ("registers", "positions")]
    if of_the_network and c.init is not None:
        raise UserError(
            f"{of_the_network[0]} is of a fresh network, and --init brings its own; leave one out"
        )
    if c.positions == "rope" and (width := c.embed_dim // c.num_heads) % 4:
        raise UserError(
            f"positions rope turns heads whose width is a multiple of 4, not {width}; change "
            "--num-heads or --embed-dim"
        )
    if c.ibot and (side := c.global_size // c.patch_size) < 3:
        raise UserError(
            f"ibot hides blocks of a global view's patches, of which it has {side} x {side}; "
            "3 x 3 are the least, with a larger --global-size or a smaller --patch-size"
        )
    if c.ibot and c.head_batch_norm:
        raise UserError(
            "ibot has a head for hidden patches, of which images have different numbers; with "
            "head_batch_norm those that fill up would count: leave one out"
        )
    if c.gram is not None and c.gram >= c.epochs:
        raise UserError(
            f"gram is {c.gram:g}, and a training of {c.epochs} epochs has no teacher of then to "
            "hold on to"
        )
