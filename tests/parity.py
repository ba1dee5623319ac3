"""How far minidino lies from others' code and from the formulas: one function a number.

``PIECES`` lists every comparison with its bound. ``test_parity.py`` holds each to its bound and
``tools/fidelity_table.py`` writes what was measured into ``docs/fidelity.md``. Whole steps are
compared with the page ``dino.py``, in float64, which shares no code with the package. Weights and
logits are random, from fixed seeds; pictures are the two photographs of scikit-learn.
"""

import functools
import math
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import lightly.models.modules.heads as lightly_heads
import numpy as np
import timm
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tv
import transformers
from PIL import Image, ImageFilter, ImageOps
from sklearn.datasets import load_sample_images
from torch import Tensor

import dino
from minidino import pixels
from minidino.config import PAPER_VITS16, recipe
from minidino.crops import Appearance, Draws, draw, render
from minidino.evaluate import knn_predict
from minidino.head import DINOHead
from minidino.loss import DINOLoss
from minidino.schedules import linear_warmup
from minidino.trainer import Schedules, Trainer, seed_of
from minidino.vit import VisionTransformer, vit_base, vit_small
from minidino.weights.pretrained import load_pretrained


@dataclass(frozen=True)
class Piece:
    """One comparison.

    Attributes:
        name: what of ours.
        oracle: what it is compared with.
        unit: of the difference; "relative" is the largest difference over the largest value.
        bound: the test fails above it.
        measure: makes the comparison.
        why: for a difference that is meant, the reason; otherwise "".
    """

    name: str
    oracle: str
    unit: str
    bound: float
    measure: Callable[[], float]
    why: str = ""


PIECES: list[Piece] = []


def same(name: str, oracle: str, bound: float, unit: str = "relative"):
    """Register a comparison in which nothing but rounding may differ."""

    def add(measure):
        PIECES.append(Piece(name, oracle, unit, bound, measure))
        return measure

    return add


def differs(name: str, oracle: str, bound: float, unit: str, why: str):
    """Register a comparison with something that is done otherwise on purpose."""

    def add(measure):
        PIECES.append(Piece(name, oracle, unit, bound, measure, why))
        return measure

    return add


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over largest value."""
    ours, theirs = ours.detach().double(), theirs.detach().double()
    assert ours.shape == theirs.shape and theirs.abs().max() > 0
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def relative_norm(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """Length of the difference over length of the value, of many tensors as one vector."""
    a, b = (torch.cat([t.detach().double().flatten() for t in ts]) for ts in (ours, theirs))
    return ((a - b).norm() / b.norm()).item()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- the backbone

NETWORKS = {
    "ViT-S/16": (vit_small, "vit_small_patch16_224", 16),
    "ViT-B/16": (vit_base, "vit_base_patch16_224", 16),
    "ViT-S/8": (lambda: vit_small(8), "vit_small_patch8_224", 8),
}
SIZES = [(224, 224), (96, 96), (160, 224)]


@functools.lru_cache(maxsize=1)
def twins(network: str) -> tuple[VisionTransformer, timm.models.VisionTransformer]:
    """Ours and timm's with the same float32 weights, none left at 0 or 1 where it would hide."""
    build, name, _ = NETWORKS[network]
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=0).eval()
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(torch.randn_like(p), alpha=0.05)
    ours = build().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    for block in theirs.blocks:
        block.attn.fused_attn = False  # another path than ours, and its softmax can be caught
    return ours, theirs


def set_size(theirs, ours, height: int, width: int, patch: int) -> None:
    """Build timm's grid for this size, with positions as DINOv2 resamples them.

    (``size=``, bicubic, no antialiasing.)
    """
    theirs.set_input_size((height, width))
    h, w = height // patch, width // patch
    cls, grid = ours.pos_embed[:, :1], ours.pos_embed[:, 1:]
    side = int(grid.shape[1] ** 0.5)
    grid = grid.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(h, w), mode="bicubic", antialias=False)
    grid = grid.permute(0, 2, 3, 1).flatten(1, 2)
    with torch.no_grad():
        theirs.pos_embed.copy_(torch.cat([cls, grid], dim=1))


@functools.cache
@torch.no_grad()
def backbone(network: str) -> dict[str, float]:
    """Last four blocks' tokens and the last block's attention, one image of each size."""
    ours, theirs = twins(network)
    caught = []
    theirs.blocks[-1].attn.attn_drop.register_forward_hook(
        lambda module, args, out: caught.append(out)
    )
    worst = {"last four layers": 0.0, "last attention": 0.0}
    for height, width in SIZES:
        set_size(theirs, ours, height, width, NETWORKS[network][2])
        x = normal(1, 3, height, width, seed=1)
        layers = theirs.get_intermediate_layers(x, 4, return_prefix_tokens=True, norm=True)
        expected = [torch.cat([cls, patches], dim=1) for patches, cls in layers]
        got = ours.get_intermediate_layers(x, 4)
        pairs = {
            "last four layers": [*zip(got, expected, strict=True)],
            "last attention": [(ours.get_last_selfattention(x), caught.pop())],
        }
        for what, some in pairs.items():
            worst[what] = max([worst[what], *(relative(a, b) for a, b in some)])
    return worst


def _register_backbones() -> None:
    sizes = ", ".join(f"{h} x {w}" for h, w in SIZES)
    for network in NETWORKS:
        for what in ("last four layers", "last attention"):
            measure = functools.partial(lambda n, w: backbone(n)[w], network, what)
            same(f"{network} at {sizes} px: {what}", "timm, float32", 2e-5)(measure)


_register_backbones()

# Hugging Face's of the released sizes; without registers its positions are not the official ones.
LATER = {
    "DINOv2 ViT-S/14": (transformers.Dinov2Config, transformers.Dinov2Model, 14,
                        {"image_size": 518, "patch_size": 14}),
    "DINOv2 ViT-S/14 with registers": (
        transformers.Dinov2WithRegistersConfig, transformers.Dinov2WithRegistersModel, 14,
        {"image_size": 518, "patch_size": 14, "num_register_tokens": 4}),
    "DINOv3 ViT-S/16": (transformers.DINOv3ViTConfig, transformers.DINOv3ViTModel, 16,
                        {"num_register_tokens": 4, "intermediate_size": 1536}),
}  # fmt: skip


@functools.cache
@torch.no_grad()
def later(network: str) -> dict[str, float]:
    """As ``backbone``, of DINO's successors; read from the folder that Hugging Face writes."""
    config, model, patch, sizes = LATER[network]
    torch.manual_seed(0)
    theirs = model(config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6,
                          attn_implementation="eager", **sizes)).eval()  # fmt: skip
    for p in theirs.parameters():
        p.add_(torch.randn_like(p), alpha=0.05)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = load_pretrained(folder)
    norm = theirs.norm if hasattr(theirs, "norm") else theirs.layernorm
    worst = {"last four layers": 0.0, "last attention": 0.0}
    for h, w in ((16, 16), (7, 7), (10, 14)):
        if network == "DINOv2 ViT-S/14":
            positions = ours.interpolate_positions(h, w)
            theirs.embeddings.interpolate_pos_encoding = lambda *_, p=positions: p
        x = normal(1, 3, h * patch, w * patch, seed=1)
        out = theirs(x, output_hidden_states=True, output_attentions=True)
        kept = [0, *range(1 + ours.registers, 1 + ours.registers + h * w)]
        layers = [norm(tokens)[:, kept] for tokens in out.hidden_states[-4:]]
        attention = (ours.get_last_selfattention(x, registers=True), out.attentions[-1])
        pairs = {
            "last four layers": [*zip(ours.get_intermediate_layers(x, 4), layers, strict=True)],
            "last attention": [attention],
        }
        for what, some in pairs.items():
            worst[what] = max([worst[what], *(relative(a, b) for a, b in some)])
    return worst


def _register_later() -> None:
    for network in LATER:
        for what in ("last four layers", "last attention"):
            measure = functools.partial(lambda n, w: later(n)[w], network, what)
            name = f"{network}, 16 x 16, 7 x 7 and 10 x 14 patches: {what}"
            same(name, "transformers, float32", 2e-5)(measure)


_register_later()

GRIDS = [(6, 6), (10, 14), (20, 14), (30, 30)]


def position_model(smooth: bool = False) -> VisionTransformer:
    """14 x 14 positions: independent random numbers, or slow waves along each axis."""
    torch.manual_seed(0)
    model = VisionTransformer(depth=1, embed_dim=64, num_heads=1)
    if smooth:
        at = (torch.arange(14) + 0.5) / 14
        turns = [torch.pi * k * at for k in range(1, 17)]
        waves = torch.stack([f(turn) for turn in turns for f in (torch.sin, torch.cos)], dim=1)
        waves = waves / torch.arange(1, 17).repeat_interleave(2)
        rows = waves[:, None].expand(14, 14, 32)
        grid = torch.cat([rows, rows.transpose(0, 1)], dim=-1)
        with torch.no_grad():
            model.pos_embed[0, 1:] = grid.reshape(196, 64)
    return model


def cubic_matrix(size_in: int, size_out: int, scale: float | None = None) -> Tensor:
    """Bicubic interpolation of a row, as a (size_out, size_in) matrix: Keys with a = -3/4.

    Pixel centres lie at half-integers, taps beyond the edge repeat it, nothing is smoothed.
    ``scale`` is input pixels per output pixel, by default such that both rows are as long.
    """
    a, scale = -0.75, size_in / size_out if scale is None else scale
    matrix = torch.zeros(size_out, size_in, dtype=torch.float64)
    for i in range(size_out):
        at = (i + 0.5) * scale - 0.5
        for tap in range(math.floor(at) - 1, math.floor(at) + 3):
            t = abs(at - tap)
            if t <= 1:
                weight = (a + 2) * t**3 - (a + 3) * t**2 + 1
            else:
                weight = a * (t**3 - 5 * t**2 + 8 * t - 4)
            matrix[i, min(max(tap, 0), size_in - 1)] += weight
    return matrix


def positions(pos_embed: Tensor, h: int, w: int) -> Tensor:
    """(1, 1 + side^2, D) learned positions -> (1 + h*w, D)."""
    side = math.isqrt(pos_embed.shape[1] - 1)
    grid = pos_embed[0, 1:].double().view(side, side, -1)
    rows, columns = cubic_matrix(side, h), cubic_matrix(side, w)
    grid = torch.einsum("ij,jkd,lk->ild", rows, grid, columns)
    return torch.cat([pos_embed[0, :1].double(), grid.flatten(0, 1)])


@same("positions, 14 x 14 to 6 x 6, 10 x 14, 20 x 14, 30 x 30",
      "Keys' cubic written out, float64", 1e-5)  # fmt: skip
@torch.no_grad()
def positions_formula() -> float:
    model = position_model()
    return max(
        relative(model.interpolate_positions(h, w)[0], positions(model.pos_embed, h, w))
        for h, w in GRIDS
    )


def position_grid(model: VisionTransformer) -> Tensor:
    return model.pos_embed[:, 1:].view(1, 14, 14, -1).permute(0, 3, 1, 2)


def versus_official(model: VisionTransformer, h: int, w: int) -> float:
    scale = ((h + 0.1) / 14, (w + 0.1) / 14)
    theirs = F.interpolate(position_grid(model), scale_factor=scale, mode="bicubic")
    theirs = theirs.flatten(2).transpose(1, 2)
    return relative(model.interpolate_positions(h, w)[:, 1:], theirs)


def versus_timm(model: VisionTransformer, h: int, w: int) -> float:
    theirs = timm.layers.resample_abs_pos_embed(model.pos_embed, [h, w])
    return relative(model.interpolate_positions(h, w)[:, 1:], theirs[:, 1:])


POSITIONS_WHY = "the grid fills the image exactly; the 0.1 guards against a rounding we do not have"
TIMM_WHY = "it smooths (antialias), which the official code does not"


@differs("positions to 6 x 6, smooth ones", "official: scale_factor with + 0.1", 0.08, "relative",
         POSITIONS_WHY)  # fmt: skip
@torch.no_grad()
def positions_official_smooth() -> float:
    return versus_official(position_model(smooth=True), 6, 6)


@differs("positions to 6 x 6, random ones", "official: scale_factor with + 0.1", 0.4, "relative",
         POSITIONS_WHY)  # fmt: skip
@torch.no_grad()
def positions_official_random() -> float:
    return versus_official(position_model(), 6, 6)


@differs("positions to 30 x 30, random ones", "official: scale_factor with + 0.1", 0.1, "relative",
         POSITIONS_WHY)  # fmt: skip
@torch.no_grad()
def positions_official_larger() -> float:
    return versus_official(position_model(), 30, 30)


@differs("positions to 6 x 6, smooth ones", "timm's dynamic_img_size", 0.15, "relative", TIMM_WHY)
@torch.no_grad()
def positions_timm_smooth() -> float:
    return versus_timm(position_model(smooth=True), 6, 6)


@differs("positions to 6 x 6, random ones", "timm's dynamic_img_size", 3, "relative", TIMM_WHY)
@torch.no_grad()
def positions_timm_random() -> float:
    return versus_timm(position_model(), 6, 6)


@differs(
    "positions to 30 x 30, random ones",
    "timm's dynamic_img_size",
    0.1,
    "relative",
    "its kernel is Keys with a = -1/2, ours and the official a = -3/4",
)
@torch.no_grad()
def positions_timm_larger() -> float:
    return versus_timm(position_model(), 30, 30)


# ---------------------------------------------------------------- the head


@functools.cache
def head_at_full_size() -> dict[str, float]:
    """ViT-S's head with K = 65,536: scores and gradients."""
    torch.manual_seed(0)
    ours = DINOHead(384, 65536, norm_last_layer=False)
    with torch.no_grad():
        for p in ours.parameters():
            p.add_(torch.randn_like(p), alpha=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lightly uses torch's older weight_norm
        theirs = lightly_heads.DINOProjectionHead(384, 2048, 256, 65536, norm_last_layer=False)
    state = {n.replace("mlp.", "layers."): p for n, p in ours.state_dict().items()}
    theirs.load_state_dict(state, strict=True)
    x = normal(4, 384, seed=1)
    a, b = ours(x), theirs(x)
    upstream = normal(*a.shape, seed=2)
    for scores in (a, b):
        (scores * upstream).sum().backward()
    gradients = (
        relative(ours.get_parameter(n.replace("layers.", "mlp.")).grad, p.grad)
        for n, p in theirs.named_parameters()
    )
    return {"scores": relative(a, b), "gradients": max(gradients)}


@same("head, K = 65,536: scores", "lightly, float32", 1e-5)
def head_scores() -> float:
    return head_at_full_size()["scores"]


@same("head, K = 65,536: gradient of each parameter", "lightly, float32", 1e-5)
def head_gradients() -> float:
    return head_at_full_size()["gradients"]


# ---------------------------------------------------------------- the loss


@functools.cache
def twenty_losses() -> dict[str, float]:
    """K = 65,536, 2 + 8 views of 2 images; a teacher whose mean drifts, a rising temperature."""
    k, batch, views = 65536, 2, 10
    ours, center = DINOLoss(k), torch.zeros(k, dtype=torch.float64)
    worst = {"value": 0.0, "gradient": 0.0, "center": 0.0}
    for step in range(20):
        temp = 0.04 + 0.03 * step / 19
        student = (normal(views * batch, k, seed=2 * step) * 0.2).requires_grad_()
        teacher = normal(2 * batch, k, seed=2 * step + 1) * 0.2 + 0.02 * step
        teacher += 0.1 * normal(1, k, seed=99)
        plain = student.detach().double().requires_grad_()
        a = ours(student, teacher, temp)
        b = dino.dino_loss(plain.chunk(views), teacher.double().chunk(2), center, temp)
        a.backward()
        b.backward()
        center = 0.9 * center + 0.1 * teacher.double().mean(dim=0)
        for name, x, y in (
            ("value", a, b),
            ("gradient", student.grad, plain.grad),
            ("center", ours.center[0], center),
        ):
            worst[name] = max(worst[name], relative(x, y))
    return worst


@same("loss, K = 65,536, each of 20 steps: value", "the equations pair by pair, float64", 1e-5)
def loss_value() -> float:
    return twenty_losses()["value"]


@same("loss, each of 20 steps: gradient", "the equations pair by pair, float64", 5e-5)
def loss_gradient() -> float:
    return twenty_losses()["gradient"]


@same("loss, each of 20 steps: center", "the equations, float64", 1e-5)
def loss_center() -> float:
    return twenty_losses()["center"]


# ---------------------------------------------------------------- schedules


@same("schedules of paper-vits16, each of 2,000 steps: learning rate, weight decay, momentum",
      "the official formulas, float64", 1e-12)  # fmt: skip
def schedules() -> float:
    c, total = PAPER_VITS16, 100 * 20
    ours = Schedules.of(c, steps_per_epoch=20)
    theirs = {
        "lr": (5e-4 * c.batch_size / 256, 1e-6, total, 10 * 20),
        "weight_decay": (0.04, 0.4, total),
        "teacher_momentum": (0.996, 1.0, total),
    }
    return max(
        relative(
            torch.tensor(getattr(ours, name), dtype=torch.float64),
            torch.tensor([dino.cosine(t, *formula) for t in range(total)], dtype=torch.float64),
        )
        for name, formula in theirs.items()
    )


@differs("teacher temperature, 0.04 to 0.07 over 30 epochs", "official: one value an epoch",
         1.2e-3, "absolute",
         "it moves every step like the other schedules; the two meet once an epoch")  # fmt: skip
def teacher_temperature() -> float:
    per_epoch = 100
    by_epoch = np.concatenate([np.linspace(0.04, 0.07, 30), np.full(70, 0.07)])
    theirs = by_epoch.repeat(per_epoch)
    ours = linear_warmup(0.04, 0.07, 100 * per_epoch, 30 * per_epoch).numpy()
    return float(np.abs(ours - theirs).max())


# ---------------------------------------------------------------- the step


@functools.cache
def ten_steps() -> dict[str, float]:
    """Student, teacher, clipping, freezing, AdamW, EMA and center of a small network."""
    config = recipe(
        "things", depth=2, embed_dim=48, num_heads=4, drop_path_rate=0.0,
        out_dim=32, hidden_dim=32, bottleneck_dim=16, batch_size=16, epochs=3, warmup_epochs=1,
        clip_grad=0.3, freeze_last_layer_epochs=0.5,
        teacher_temp=0.07, warmup_teacher_temp_epochs=1,
    )  # fmt: skip
    per_epoch, total = 6, 18
    trainer = Trainer(config, per_epoch, torch.device("cpu"))

    backbone = dino.ViT(config.global_size, config.patch_size, 48, 2, 4)
    plain = dino.Dino(backbone.double(), dino.Head(48, 32, 32, 16).double())
    for network in (plain.student, plain.teacher):
        network.load_state_dict(trainer.student.state_dict(), strict=True)
    start = {n: p.detach().clone() for n, p in plain.student.named_parameters()}
    lr = [dino.cosine(t, config.base_lr * 16 / 256, config.min_lr, total, 6) for t in range(10)]
    decay = [dino.cosine(t, 0.04, 0.4, total) for t in range(10)]
    momentum = [dino.cosine(t, config.teacher_momentum, 1.0, total) for t in range(10)]
    temp = np.concatenate([np.linspace(config.warmup_teacher_temp, 0.07, 6), np.full(12, 0.07)])

    worst, norms = {"loss": 0.0, "clipped gradients": 0.0, "center": 0.0}, []
    g = torch.Generator().manual_seed(0)
    for t in range(10):
        images = torch.randint(0, 256, (4, 3, 60, 60), dtype=torch.uint8, generator=g)
        views = trainer.crops(images, torch.Generator().manual_seed(seed_of(0, "step", t)))
        ours = trainer.step(images)["loss"]
        global_views, local_views = (v.double() for v in views)
        theirs = plain.step(
            [*global_views.chunk(2), *local_views.chunk(config.n_local)],
            lr[t], decay[t], momentum[t], temp[t], freeze_last=t < 3, clip=0.3,
        )  # fmt: skip
        found, wanted = (
            {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
            for network in (trainer.student, plain.student)
        )
        assert set(found) == set(wanted)
        norms += [g.norm().item() for g in wanted.values()]
        pairs = {
            "loss": ([ours], [torch.tensor(theirs)]),
            "clipped gradients": (list(found.values()), [wanted[n] for n in found]),
            "center": ([trainer.criterion.center[0]], [plain.center]),
        }
        for name, (a, b) in pairs.items():
            worst[name] = max(worst[name], relative_norm(a, b))
    assert min(norms) < 0.29 and max(norms) > 0.2999  # some were clipped and some were not
    for name, model, expected in (
        ("student", trainer.student, plain.student),
        ("teacher", trainer.teacher, plain.teacher),
    ):
        moved = [p.double() - start[n] for n, p in model.named_parameters()]
        theirs = dict(expected.named_parameters())
        wanted = [theirs[n] - start[n] for n, _ in model.named_parameters()]
        worst[f"{name}'s movement"] = relative_norm(moved, wanted)
    return worst


def _register_steps() -> None:
    plain = "the page dino.py, float64"
    for what, bound in (
        ("loss", 1e-5),
        ("clipped gradients", 1e-4),
        ("center", 1e-5),
        ("student's movement", 1e-3),
        ("teacher's movement", 2e-3),
    ):
        measure = functools.partial(lambda what: ten_steps()[what], what)
        same(f"ten whole steps: {what}", plain, bound, "relative length")(measure)


_register_steps()


# ---------------------------------------------------------------- k-NN


@same("k-NN, k = 20, T = 0.07: answers", "the page dino.py, float64", 0, "of 500 answers")
def knn_answers() -> float:
    y = torch.randint(0, 20, (2500,), generator=torch.Generator().manual_seed(0))
    x = (normal(20, 64)[y] + 2.5 * normal(2500, 64, seed=1)) * normal(2500, 1, seed=2).exp()
    ours = knn_predict(x[:2000], y[:2000], x[2000:])
    theirs = dino.knn(x[:2000].double(), y[:2000], x[2000:].double())
    return float((ours != theirs).sum())


# ---------------------------------------------------------------- crops


@functools.cache
def photographs() -> Tensor:
    """uint8 (2, 3, 427, 640)."""
    images = np.stack(load_sample_images().images)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def as_pil(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


@functools.cache
def views() -> tuple[Tensor, Draws]:
    """32 views of the photographs, each with draws of its own; everything happens often."""
    n, half = 32, torch.full((32,), 0.5)
    appearance = Appearance(jitter_p=0.8, grayscale_p=0.2)
    g = torch.Generator().manual_seed(0)
    return photographs(), draw(n, (427, 640), (0.05, 1.0), appearance, half, half, g)


@functools.cache
def sharp_views() -> Tensor:
    """The same views before colour and blur: (32, 3, 224, 224) in 0..1."""
    images, draws = views()
    return pixels.crop_resize(images, draws.box, draws.flip, 224)


def of_255(ours: Tensor, theirs: Tensor) -> float:
    return ((ours.double() - theirs.double()).abs().max() * 255).item()


def each(ours: Tensor, theirs: Callable[[int, Tensor], Tensor]) -> float:
    """Largest difference of 255 from ``theirs(i, view)``, view by view."""
    x = sharp_views()
    return max(of_255(ours[i], theirs(i, x[i])) for i in range(len(x)))


def pil_crops() -> list[Image.Image]:
    """The views cropped, resized and flipped by PIL, as the official code does."""
    images, draws = views()
    done = []
    for i, (top, left, h, w) in enumerate(draws.box.tolist()):
        picture = as_pil(images[i % 2]).crop((left, top, left + w, top + h))
        picture = picture.resize((224, 224), Image.Resampling.BICUBIC)
        done.append(ImageOps.mirror(picture) if draws.flip[i] else picture)
    return done


TORCHVISION = "torchvision on tensors"
PIL_8_BIT = "PIL rounds to 8 bits after every operation, we never do"


@same("crop, antialiased bicubic resize, flip", TORCHVISION, 0.05, "of 255")
def crop_resize() -> float:
    images, draws = views()

    def theirs(i: int, _) -> Tensor:
        top, left, h, w = draws.box[i].tolist()
        bicubic = tv.InterpolationMode.BICUBIC
        x = tv.resized_crop(images[i % 2] / 255, top, left, h, w, [224, 224], bicubic, True)
        return (x.flip(-1) if draws.flip[i] else x).clamp(0, 1)

    return each(sharp_views(), theirs)


def jitter_alone(x: Tensor, operation: int) -> Tensor:
    """One colour operation on the views ``x``, by the factors that were drawn."""
    factors = views()[1].factors.clone()
    others = [o for o in range(4) if o != operation]
    factors[:, others] = torch.tensor([1.0, 1.0, 1.0, 0.0])[others]
    return pixels.color_jitter(x.clone(), torch.arange(4).expand(len(x), 4), factors)


def _register_colours() -> None:
    for name, operation, theirs, bound in (
        ("brightness", pixels.BRIGHTNESS, tv.adjust_brightness, 0.001),
        ("contrast", pixels.CONTRAST, tv.adjust_contrast, 0.05),
        ("saturation", pixels.SATURATION, tv.adjust_saturation, 0.05),
        ("hue", pixels.HUE, tv.adjust_hue, 0.005),
    ):

        def measure(operation=operation, theirs=theirs) -> float:
            factors = views()[1].factors
            return each(
                jitter_alone(sharp_views(), operation),
                lambda i, x: theirs(x, float(factors[i, operation])),
            )

        same(name, TORCHVISION, bound, "of 255")(measure)


_register_colours()


@same("grayscale", TORCHVISION, 0.05, "of 255")
def grayscale() -> float:
    return each(pixels.luma(sharp_views()), lambda i, x: tv.rgb_to_grayscale(x))


@same("solarize from 128 on", TORCHVISION, 0.001, "of 255")
def solarize() -> float:
    return each(pixels.solarize(sharp_views()), lambda i, x: tv.solarize(x, 128 / 255))


def blurred() -> Tensor:
    return pixels.gaussian_blur(sharp_views(), views()[1].sigma)


def torchvision_blur(i: int, x: Tensor) -> Tensor:
    return tv.gaussian_blur(x, [17, 17], [views()[1].sigma[i].item()] * 2)


@same("blur, 8 px and more from the edge", f"{TORCHVISION}, kernel of 17 px", 0.1, "of 255")
def blur_inside() -> float:
    inside = (..., slice(8, -8), slice(8, -8))
    return each(blurred()[inside], lambda i, x: torchvision_blur(i, x)[inside])


@differs("blur, whole picture", f"{TORCHVISION}, kernel of 17 px", 30, "of 255",
         "at the edge we renormalise the weights inside, it mirrors the picture")  # fmt: skip
def blur_edge() -> float:
    return each(blurred(), torchvision_blur)


def pil(x: Tensor) -> Image.Image:
    return tv.to_pil_image(x)


def from_pil(picture: Image.Image) -> Tensor:
    return tv.pil_to_tensor(picture) / 255


@functools.cache
def eight_bit_views() -> Tensor:
    """The views as PIL holds them, so that an operation is compared on equal input."""
    return (sharp_views() * 255).round() / 255


def _register_pil() -> None:
    def colour(operation: int, function) -> Callable[[], float]:
        def measure() -> float:
            factors, x = views()[1].factors, eight_bit_views()
            ours = jitter_alone(x, operation)
            return max(
                of_255(ours[i], from_pil(function(pil(x[i]), float(factors[i, operation]))))
                for i in range(len(x))
            )

        return measure

    differs("contrast", "PIL (official)", 1.5, "of 255", PIL_8_BIT)(
        colour(pixels.CONTRAST, tv.adjust_contrast)
    )
    differs("saturation", "PIL (official)", 1.5, "of 255", PIL_8_BIT)(
        colour(pixels.SATURATION, tv.adjust_saturation)
    )
    differs("hue", "PIL (official)", 15, "of 255", "PIL's hue has 256 steps, ours is exact")(
        colour(pixels.HUE, tv.adjust_hue)
    )


_register_pil()


@differs("crop, resize, flip", "PIL (official)", 10, "of 255",
         "PIL rounds and clips to 0..255 between the two axes, we only at the end")  # fmt: skip
def crop_resize_pil() -> float:
    ours = sharp_views()
    return max(of_255(ours[i], from_pil(p)) for i, p in enumerate(pil_crops()))


@differs("blur", "PIL (official)", 20, "of 255",
         "PIL approximates the Gaussian by three box blurs, ours is exact")  # fmt: skip
def blur_pil() -> float:
    x, sigma = eight_bit_views(), views()[1].sigma
    ours = pixels.gaussian_blur(x, sigma)
    theirs = [
        pil(v).filter(ImageFilter.GaussianBlur(s)) for v, s in zip(x, sigma.tolist(), strict=True)
    ]
    return max(of_255(a, from_pil(b)) for a, b in zip(ours, theirs, strict=True))


@functools.cache
def whole_views() -> dict[str, float]:
    """Everything in a row with the same draws: ours, and PIL one operation after another."""
    images, draws = views()
    std, mean = (torch.tensor(v).view(3, 1, 1) for v in (pixels.IMAGENET_STD, pixels.IMAGENET_MEAN))
    ours = render(images, draws, 224) * std + mean
    steps = [tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue]
    differences = []
    for i, picture in enumerate(pil_crops()):
        if draws.jitter[i]:
            for operation in draws.order[i].tolist():
                picture = steps[operation](picture, float(draws.factors[i, operation]))
        if draws.grayscale[i]:
            picture = ImageOps.grayscale(picture).convert("RGB")
        if draws.blur[i]:
            picture = picture.filter(ImageFilter.GaussianBlur(float(draws.sigma[i])))
        if draws.solarize[i]:
            picture = ImageOps.solarize(picture)
        differences.append((ours[i] - from_pil(picture)).abs() * 255)
    all_of_them = torch.stack(differences)
    return {"largest": all_of_them.max().item(), "mean": all_of_them.mean().item()}


@differs("whole views, same draws: largest", "PIL (official)", 20, "of 255", "all of the above")
def whole_views_largest() -> float:
    return whole_views()["largest"]


@differs("whole views, same draws: mean", "PIL (official)", 1.5, "of 255", "all of the above")
def whole_views_mean() -> float:
    return whole_views()["mean"]
