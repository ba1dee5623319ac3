"""What each number of a configuration may be, and one line for what it may not."""

import math
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
        count = len(get_args(f.type)) if f.type not in (int, int | None, float) else 1
        numbers = value if several else (value,)
        whole, (low, high) = f.type in (int, int | None), LIMITS[f.name]
        if (
            several != (count > 1)
            or len(numbers) != count
            or not all(
                isinstance(v, Integral if whole else Real)
                and not isinstance(v, bool)
                and math.isfinite(v)
                and low <= v <= high
                for v in numbers
            )
        ):
            kind = f"{count} numbers" if count > 1 else "a whole number" if whole else "a number"
            bounds = f"at least {low}" if high == math.inf else f"from {low} to {high}"
            raise UserError(f"{f.name} is {value}; it must be {kind}, {bounds}")
