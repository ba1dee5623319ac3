"""What a training run is made of, and the recipes that have names."""

import math
import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from minidino.crops import Appearance
from minidino.errors import UserError
from minidino.limits import PIECES, check_limits, check_together


@dataclass(frozen=True)
class Reading:
    """How the pictures of a folder are read and divided."""

    fit: Literal["square", "pad", "keep"] = "square"
    """How a picture becomes a square: its middle (square), or all of it: with a margin in its mean
    colour (pad), or squeezed, which bends its shape (keep)."""
    keep_truncated: bool = False
    """Use JPEG files that are cut short, as far as they go; the rest is gray."""
    group_by: str | None = None
    """Where a fifth is held out, keep together what lies in one folder (the word folder), or what
    a regular expression finds in the path below --data, or its first bracket: 'clip\\d+'."""
    range: str | None = None
    """LOW,HIGH: the values that become black and white, of pictures with more than 8 bits
    (default: those that the folder uses; a run keeps them). A negative one: --range=-1000,3000."""

    def __post_init__(self):
        """Raises UserError, in one line, for what cannot be."""
        check_limits(self)
        if self.group_by is not None:
            try:
                re.compile(self.group_by)
            except re.error as error:
                raise UserError(f'--group-by "{self.group_by}" is no pattern: {error}') from None
        _ = self.bounds

    @property
    def bounds(self) -> tuple[float, float] | None:
        """``range`` as two numbers."""
        if self.range is None:
            return None
        try:
            low, high = map(float, self.range.split(","))
        except ValueError:
            low = high = math.nan
        if not -math.inf < low < high < math.inf:
            raise UserError(f'--range is "{self.range}"; give LOW,HIGH, as in --range 0,4095')
        return low, high

    @property
    def reading(self) -> "Reading":
        """These settings alone, of a training run's."""
        return Reading(**{f.name: getattr(self, f.name) for f in fields(Reading)})


@dataclass(frozen=True)
class TrainConfig(Reading):
    """Everything that decides the outcome of a training run.

    Sizes are in pixels, durations in epochs; learning rate, weight decay and momentum move
    every step. The defaults are the official ViT-S/16 run (section 3.2, and the official code).
    """

    objective: Literal["dino", "supervised", "simclr", "moco", "byol", "swav", "mae", "lejepa"] = (
        "dino"
    )
    """What the networks learn to do: DINO, one of its rivals (minidino/rivals/), or what came
    after it (minidino/successors/)."""
    init: str | None = None
    """Weights to start from, in place of random ones: whatever the other commands take. The
    network's sizes are theirs."""
    data: str = "things"
    """What to train on: things, things-telling, a torchvision name, or a folder."""
    image_size: int = 256
    """Pictures are brought to this size, in pixels, before they are cropped."""
    eval_size: int = 224
    """Size of the images that are evaluated, in pixels."""
    max_images: int | None = None
    """Train on the first so many images; for things, how many are drawn (default 10,000)."""
    seed: int = 0
    """Decides weights, data order and every augmentation."""

    backbone: Literal["vit", "resnet18", "resnet50"] = "vit"
    """The network that is trained; for a ResNet the next five say nothing."""
    patch_size: int = 16
    embed_dim: int = 384
    depth: int = 12
    num_heads: int = 6
    drop_path_rate: float = 0.1
    """Stochastic depth of the student's last block."""

    out_dim: int = 65536
    """Prototypes K. Few images want few: 256 to 4,096."""
    hidden_dim: int = 2048
    bottleneck_dim: int = 256
    norm_last_layer: bool = True
    """Keep every prototype at length 1."""
    head_batch_norm: bool = False
    """Batch norm after the head's hidden layers, as the paper's first heads had it."""

    global_size: int = 224
    local_size: int = 96
    n_local: int = 8
    global_scale: tuple[float, float] = (0.4, 1.0)
    local_scale: tuple[float, float] = (0.05, 0.4)
    appearance: Appearance = field(default_factory=Appearance)

    epochs: int = 100
    batch_size: int = 64
    base_lr: float = 5e-4
    """Learning rate for 256 images a step; it is scaled by batch_size / 256."""
    min_lr: float = 1e-6
    warmup_epochs: float = 10
    weight_decay: float = 0.04
    weight_decay_end: float = 0.4
    clip_grad: float = 3.0
    """Largest norm of each parameter's gradient; 0 for none."""
    freeze_last_layer_epochs: float = 1
    """The prototypes stand still for so long, while the features below them settle."""

    pair_loss: Literal["cross-entropy", "mse"] = "cross-entropy"
    """What DINO asks of a pair of views; mse, between probabilities, is an ablation."""
    student_temp: float = 0.1
    """Of the student's softmax; of rivals, the temperature of their loss."""
    teacher_temp: float = 0.04
    warmup_teacher_temp: float = 0.04
    warmup_teacher_temp_epochs: float = 0
    center_momentum: float = 0.9
    teacher_momentum: float = 0.996
    """EMA momentum at the start; it goes to its end by a cosine."""
    teacher_momentum_end: float = 1.0
    teacher: Literal["ema", "copy", "epoch"] = "ema"
    """Ablations: copy makes the teacher the student after every step, epoch after every epoch."""
    registers: int = 0
    """Tokens beside the patches for the ViT to keep notes in (DINOv2 with registers: 4)."""
    positions: Literal["learned", "rope"] = "learned"
    """How the ViT knows where a patch is: by learned vectors, or by turns (RoPE, DINOv3)."""
    koleo: float = 0.0
    """Weight of what pushes a feature away from its nearest neighbour (DINOv2: 0.1)."""
    centering: Literal["center", "sinkhorn"] = "center"
    """What keeps all prototypes in use: the center, or equal shares of each batch (DINOv2)."""
    ibot: float = 0.0
    """Weight of iBOT's loss at patches that are hidden from the student (DINOv2: 1)."""
    gram: float | None = None
    """From this epoch on, hold patches' likenesses to those of the teacher of then (DINOv3)."""
    queue_length: int = 4096
    """Keys of earlier batches that MoCo tells an image from."""

    log_every: int = 10
    """Steps between two lines of metrics.jsonl."""
    knn_evals: int = 10
    """How often k-NN is measured on the validation images during training."""
    snapshots: int = 8
    """How many moments of the teacher are kept for the filmstrip of its attention."""

    def __post_init__(self):
        """Raises UserError, in one line, for what cannot be trained."""
        super().__post_init__()
        check_limits(self.appearance)
        check_together(self)

    @property
    def compares_images(self) -> bool:
        """Does the loss, or a batch norm, see a batch's images beside each other?"""
        return (
            self.objective in ("simclr", "byol", "swav", "lejepa")
            or bool(self.koleo)
            or self.centering == "sinkhorn"
            or self.head_batch_norm
            or self.backbone != "vit"
        )

    def with_epochs(self, epochs: int) -> "TrainConfig":
        """A longer or shorter training in which warm-ups and freezing keep their share.

        Ten epochs of warm-up fit 100 epochs; in a run of 5 they would never end.
        """
        share = epochs / self.epochs
        return replace(
            self,
            epochs=epochs,
            # Rounding must not make a warm-up longer than the run.
            warmup_epochs=min(self.warmup_epochs * share, epochs),
            warmup_teacher_temp_epochs=min(self.warmup_teacher_temp_epochs * share, epochs),
            freeze_last_layer_epochs=self.freeze_last_layer_epochs * min(share, 1.0),
            gram=self.gram and self.gram * share,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists: what a checkpoint and a JSON file keep."""
        return asdict(self)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> "TrainConfig":
        """The inverse of ``to_dict``.

        Raises:
            UserError: if a field is unknown to this version, or its value cannot be.
        """
        look = d.get("appearance", {}) if isinstance(d, dict) else None
        if not isinstance(look, dict):
            raise UserError("these are not the settings of a training run")
        known = {f.name for kind in (cls, Appearance) for f in fields(kind)}
        if unknown := (set(d) | set(look)) - known:
            names = ", ".join(sorted(map(str, unknown)))
            raise UserError(f"settings unknown to this version of minidino: {names}")
        d, look = (
            {k: tuple(v) if isinstance(v, list) else v for k, v in some.items()}
            for some in (d, look)
        )
        return cls(**(d | {"appearance": Appearance(**look)}))


# ---------------------------------------------------------------- recipes

USUAL = Reading()

# Minutes on two CPU cores. The settings were chosen on the validation images.
THINGS = TrainConfig(
    data="things",
    image_size=60,
    eval_size=60,
    max_images=8000,
    patch_size=6,
    embed_dim=96,
    depth=3,
    # The more heads, the surer that one of them covers the thing.
    num_heads=12,
    drop_path_rate=0.0,
    out_dim=512,
    hidden_dim=256,
    bottleneck_dim=64,
    global_size=36,
    local_size=18,
    n_local=4,
    # A local view of less than this often shows nothing of the thing.
    local_scale=(0.15, 0.5),
    # A 36 px view bears a fraction of the blur that a 224 px view does.
    appearance=Appearance(blur_p=(0.5, 0.1, 0.2), blur_sigma=(0.1, 1.0)),
    epochs=5,
    base_lr=4e-3,
    warmup_epochs=1,
    # 625 steps: a half-life of 46 steps at the start.
    teacher_momentum=0.985,
)

# Photographs on two CPU cores, in less than two hours; the trials are in docs/log.md.
PHOTOS = replace(
    THINGS,
    data="imagenette",
    image_size=64,
    eval_size=64,
    max_images=None,
    patch_size=8,
    embed_dim=128,
    depth=4,
    num_heads=8,
    hidden_dim=512,
    global_size=48,
    local_size=24,
    local_scale=(0.1, 0.4),
    epochs=60,
    warmup_epochs=5,
    # Without KoLeo k-NN hardly leaves that of random weights, with the center or with Sinkhorn.
    centering="sinkhorn",
    koleo=0.1,
    teacher_temp=0.03,
    warmup_teacher_temp=0.03,
    teacher_momentum=0.99,
)

# Small photographs (128 px) on one GPU, or with patience on a CPU: ViT-Ti/8.
TINY = TrainConfig(
    data="imagenette",
    image_size=128,
    eval_size=128,
    patch_size=8,
    embed_dim=192,
    num_heads=3,
    out_dim=4096,
    global_size=96,
    local_size=48,
    n_local=6,
    appearance=Appearance(blur_sigma=(0.1, 1.0)),
    epochs=200,
    batch_size=128,
    base_lr=1e-3,
    # Of about 15,000 steps, a half-life of 138 at the start is 1%.
    teacher_momentum=0.995,
    warmup_teacher_temp_epochs=0,
)

# ViT-S/16 for one card and a folder of photographs of one's own.
SMALL = TrainConfig(
    data="imagenette",
    out_dim=8192,
    epochs=200,
    batch_size=128,
    base_lr=1e-3,
    teacher_momentum=0.995,
)

# The official ViT-S/16 settings, with a batch that one card holds (base_lr scales with it).
PAPER_VITS16 = TrainConfig(data="imagenette", batch_size=64)

# What a rival changes in a recipe: its paper's views, and what it has in DINO's place.
OBJECTIVES: dict[str, dict[str, Any]] = {
    "dino": {},
    "supervised": {"n_local": 0},
    "simclr": {"n_local": 0, "student_temp": 0.2},
    "moco": {
        "n_local": 0, "student_temp": 0.2, "teacher_momentum": 0.99, "teacher_momentum_end": 0.99,
    },
    "byol": {"n_local": 0},
    "swav": {"out_dim": 64},
    "mae": {
        "n_local": 0, "drop_path_rate": 0.0,
        "appearance": Appearance(  # crops and flips alone
            jitter_p=0.0, grayscale_p=0.0, blur_p=(0.0, 0.0, 0.0), solarize_p=0.0,
        ),
    },
    "lejepa": {},
}  # fmt: skip

# Another learning rate than the recipe's. DINO and the rivals had the same search, MAE and LeJEPA
# none: five rates, 2 epochs each, k-NN on validation images (tools/tune_rivals.py).
TUNED = {"things": {"byol": {"base_lr": 8e-3}, "swav": {"base_lr": 16e-3}}}

RECIPES = {
    "things": THINGS, "photos": PHOTOS, "tiny": TINY, "small": SMALL, "paper-vits16": PAPER_VITS16,
}  # fmt: skip


def recipe(name: str, **changes) -> TrainConfig:
    """A named recipe, with changes; an ``objective`` brings its own, and yours count more.

    Raises:
        UserError: if there is no recipe or objective of that name.
    """
    if name not in RECIPES:
        raise UserError(f'no recipe "{name}"; there are {", ".join(RECIPES)}')
    objective = changes.get("objective", "dino")
    if objective not in OBJECTIVES:
        raise UserError(f'no objective "{objective}"; there are {", ".join(OBJECTIVES)}')
    own = OBJECTIVES[objective] | TUNED.get(name, {}).get(objective, {})
    if objective != "dino":  # the recipe's pieces are DINO's
        own |= {f.name: f.default for f in fields(TrainConfig) if f.name in PIECES}
    return replace(RECIPES[name], **(own | changes))
