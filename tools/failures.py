"""What users of DINO ask about, made to happen: a plot of each failure, beside its cure.

    python tools/failures.py               # all, into docs/failures/: minutes on two CPU cores
    python tools/failures.py flat resume   # these

Small trainings on ThingsOnStuff, seed 0. docs/loss-does-not-move.md tells causes and cures;
tests/test_failures.py makes every one of them happen at a smaller size.
"""

import functools
import json
import math
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import torch
import tyro
from make_collapse_logs import LAB
from matplotlib.figure import Figure
from torch import Tensor

from minidino import plots
from minidino.attention import attention_maps
from minidino.config import TrainConfig, recipe
from minidino.data import load_data
from minidino.engine.memory import CUDA_CONTEXT, HEADROOM, step_memory
from minidino.engine.settings import Engine
from minidino.evaluate import accuracy, extract_features, knn_predict
from minidino.pixels import normalize
from minidino.run.watch import TrainingDiverged
from minidino.train import train
from minidino.trainer import Trainer, batch_indices
from minidino.vit import VisionTransformer
from minidino.weights.pretrained import load_pretrained

OUT = Path(__file__).resolve().parents[1] / "docs/failures"
CPU = torch.device("cpu")
WRONG, RIGHT = plots.TRAINED, plots.TRUTH

# Notebook 06's network, 200 steps.
QUICK = replace(LAB, max_images=1920, epochs=5, snapshots=0, knn_evals=0, seed=0)
SCORED = replace(QUICK, knn_evals=5)  # where k-NN is looked at, too
SOFT = dict(teacher_temp=0.1, warmup_teacher_temp=0.1)


@dataclass(frozen=True)
class Trouble:
    """Settings that go wrong, and those that do not."""

    title: str
    wrong: dict[str, Any]
    right: dict[str, Any] = field(default_factory=dict)
    base: TrainConfig = QUICK
    engine: dict[str, Any] = field(default_factory=dict)  # of the wrong run
    names: tuple[str, str] = ("wrong", "cured")

    def lines(self, **smaller) -> tuple[list[dict], list[dict]]:
        """The logs of the wrong run and of the right one; ``smaller`` settings for both."""
        base = replace(self.base, **smaller)
        wrong = log_of(replace(base, **self.wrong), Engine(data_parallel=2, **self.engine))
        return wrong, log_of(replace(base, **self.right))


TROUBLES = {
    "flat": Trouble(
        "The loss is flat at ln K", dict(out_dim=256, **SOFT), dict(out_dim=256),
        names=("teacher's temperature 0.1", "0.04"),
    ),
    "peaked": Trouble(
        "The loss falls to 0 at once", dict(center_momentum=1.0),
        names=("center never moves", "momentum 0.9"),
    ),
    "swapped": Trouble(
        "The temperatures are swapped", dict(student_temp=0.04, **SOFT),
        names=("student 0.04, teacher 0.1", "student 0.1, teacher 0.04"),
    ),
    "nan": Trouble(
        "The loss is no number", dict(base_lr=5.0, log_every=1), engine={"precision": "fp16"},
        names=("fp16, learning rate 1,000 x", "fp32, as usual"),
    ),
    "rises": Trouble(
        "The loss rises, and all is well",
        dict(teacher_temp=0.07, warmup_teacher_temp_epochs=5), base=SCORED,
        names=("temperature 0.04 to 0.07", "0.04 all along"),
    ),
    "stuck": Trouble(
        "k-NN stays that of random weights", dict(teacher_momentum=0.9995), base=SCORED,
        names=("momentum 0.9995", "0.98"),
    ),
    "few": Trouble(
        "96 pictures", dict(max_images=96, log_every=1),
        # As many steps as of 1,920 pictures; warm-up and the frozen beginning follow.
        dict(max_images=96, epochs=100, warmup_epochs=20, freeze_last_layer_epochs=20), base=SCORED,
        names=("5 epochs, 10 steps", "100 epochs, 200 steps"),
    ),
    "batch": Trouble(
        "A small batch", dict(base_lr=8 * LAB.base_lr), base=SCORED,
        names=("learning rate of a batch of 384", "of this batch of 48"),
    ),
}  # fmt: skip


@functools.cache
def log_of(config: TrainConfig, engine: Engine | None = None) -> list[dict]:
    """The lines of ``metrics.jsonl``, up to where the run came to its end or broke off."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(config, Path(folder) / "run", device="cpu", engine=engine, progress=False)
        except TrainingDiverged as broken:
            print(broken)
        text = (Path(folder) / "run/metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def curves(name: str) -> Figure:
    """Left the loss and its part H, right k-NN, or where that was not measured, what a target
    tells."""
    trouble = TROUBLES[name]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.7), layout="constrained")
    ln_k = math.log(replace(trouble.base, **trouble.wrong).out_dim)
    both = zip(trouble.lines(), trouble.names, (WRONG, RIGHT), strict=True)
    for lines, label, color in both:
        steps = [x for x in lines if "loss" in x]
        at = [x["step"] for x in steps]
        left.plot(at, [x["loss"] for x in steps], color=color, lw=1.4, label=label)
        left.plot(at, [x["entropy"] for x in steps], ":", color=color, lw=1.1)
        if knn := [x for x in lines if "knn" in x]:
            right.plot([x["step"] for x in knn], [x["knn"] for x in knn], "o-", ms=3, color=color)
            right.set(ylabel="k-NN (%)")
        else:
            right.plot(at, [x["usage"] - x["entropy"] for x in steps], color=color, lw=1.2)
            right.set(ylabel="nats", title="what a target tells of its picture")
        if name == "nan" and color == WRONG:
            left.plot(at[-1], steps[-1]["loss"], "X", color=color, ms=8)
            where = dict(xytext=(8, 8), textcoords="offset points", fontsize=8)
            left.annotate("nan in the next step", (at[-1], steps[-1]["loss"]), **where)
    left.axhline(ln_k, color=plots.RANDOM, ls="--", lw=1)
    end = left.get_yaxis_transform()
    left.text(
        1, ln_k, "ln K", color=plots.RANDOM, fontsize=8, va="bottom", ha="right", transform=end
    )
    left.set(xlabel="step", ylabel="nats", ylim=(0, None), title="loss, and H dotted")
    left.legend(frameon=False, fontsize=8)
    right.set(xlabel="step")
    if right.get_title():  # nats; when all is drawn, as it fixes the upper end, too
        right.set_ylim(bottom=0)
    return _titled(figure, trouble.title)


def _titled(figure: Figure, title: str) -> Figure:
    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.title.set_fontsize(9)
    figure.suptitle(title, fontsize=11)
    return figure


# ---------------------------------------------------------------- attention on the background


def on_the_thing(backbone: VisionTransformer, images: Tensor, masks: Tensor) -> Tensor:
    """(N,): the share of the mean map's mass on the thing, over the thing's share of the area."""
    maps = attention_maps(backbone, normalize(images)).mean(dim=1)  # (N, h, w)
    p = images.shape[-1] // maps.shape[-1]
    share = torch.nn.functional.avg_pool2d(masks[:, None].float(), p)[:, 0]
    mass = (maps * share).sum((1, 2)) / maps.sum((1, 2))
    return mass / masks.float().mean((1, 2))


def looked_at(data: str, config: TrainConfig) -> tuple[VisionTransformer, Tensor, Tensor]:
    """A backbone trained on ``data``, and unseen pictures of it with their masks."""
    config = replace(config, data=data)
    backbone = train(config, device="cpu", progress=False).backbone
    unseen = load_data(data, "test", config.image_size, max_images=200)
    return backbone, unseen.images, unseen.masks


def background() -> Figure:
    edges = dict(left=0.01, right=0.99, bottom=0.02, top=0.8, hspace=0.3, wspace=0.06)
    figure, axes = plt.subplots(2, 8, figsize=(8, 2.8), gridspec_kw=edges)
    for row, (data, label) in zip(
        axes, (("things-telling", "backgrounds tell"), ("things", "noise")), strict=True
    ):
        backbone, images, masks = looked_at(data, QUICK)
        times = on_the_thing(backbone, images, masks).mean().item()
        maps = attention_maps(backbone, normalize(images[:4])).mean(dim=1)
        for i in range(4):
            row[2 * i].imshow(plots.to_picture(images[i]))
            plots.show_map(row[2 * i + 1], maps[i], tuple(images.shape[-2:]))
        told = f"{label}: the thing gets {times:.2f} x what its area would"
        row[0].set_title(told, loc="left")
    for ax in axes.flat:
        ax.axis("off")
    return _titled(figure, "Attention lies on the background")


# ---------------------------------------------------------------- resumed without the heads


def resumed(config: TrainConfig, stop: int) -> tuple[list[float], list[float]]:
    """The loss of each step; from ``stop`` on of a run that has all of its state, and of one that
    was given the two backbones alone."""
    steps = config.max_images // config.batch_size
    images = load_data("things", "train", config.image_size, max_images=config.max_images).images
    whole, part = (Trainer(config, steps, CPU) for _ in range(2))

    def go(trainer: Trainer, first: int, last: int) -> list[float]:
        order = batch_indices(len(images), config.batch_size, config.seed, first, last)
        return [trainer.step(images[index])["loss"].item() for index in order]

    before = go(whole, 0, stop)
    for mine, theirs in ((part.student, whole.student), (part.teacher, whole.teacher)):
        mine.backbone.load_state_dict(theirs.backbone.state_dict())
    part.now = stop
    with torch.random.fork_rng():
        torch.manual_seed(1)  # heads of another draw
        part.student.head.mlp.apply(_drawn_anew)
        part.teacher.head.load_state_dict(part.student.head.state_dict())
    end = whole.total_steps
    return before + go(part, stop, end), before + go(whole, stop, end)


def _drawn_anew(layer: torch.nn.Module) -> None:
    if isinstance(layer, torch.nn.Linear):
        torch.nn.init.trunc_normal_(layer.weight, std=0.02)


def resume() -> Figure:
    stop = 120
    wrong, right = resumed(QUICK, stop)
    figure, ax = plt.subplots(figsize=(8, 2.7), layout="constrained")
    ax.plot(wrong, color=WRONG, lw=1.2, label="backbones alone")
    ax.plot(right, color=RIGHT, lw=1.2, label="the whole state")
    ax.axvline(stop, color=plots.RANDOM, ls="--", lw=1)
    ax.set(xlabel="step", ylabel="loss (nats)", ylim=(0, None))
    ax.legend(frameon=False, fontsize=8)
    return _titled(figure, "The loss jumps where a run goes on")


# ---------------------------------------------------------------- a checkpoint that loads nothing


def loaded() -> dict[str, VisionTransformer]:
    """The course's own backbone, read by its names and with a prefix left before them."""
    right = load_pretrained("minidino_things")
    prefixed = {f"module.backbone.{k}": v for k, v in right.state_dict().items()}
    sizes = (60, right.patch_size, 3, right.embed_dim, right.depth, right.num_heads)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        random, wrong = VisionTransformer(*sizes).eval(), VisionTransformer(*sizes).eval()
        wrong.load_state_dict(random.state_dict())
    wrong.load_state_dict(prefixed, strict=False)  # nothing is loaded, and nothing said
    return {"random weights": random, "strict=False, a prefix left": wrong, "its names": right}


def knn_of(backbone: VisionTransformer) -> float:
    bank = load_data("things", "labelled", 60, max_images=1000)
    held = load_data("things", "val", 60, max_images=500)
    features, queries = (extract_features(backbone, x.images) for x in (bank, held))
    return accuracy(knn_predict(features, bank.labels, queries), held.labels)


def prefix() -> Figure:
    images = load_data("things", "test", 60, max_images=4).images
    figure, axes = plt.subplots(
        4, 5, figsize=(5, 4.2), layout="constrained", width_ratios=(3, 2, 2, 2, 2)
    )
    for ax, image in zip(axes[0, 1:], images, strict=True):
        ax.imshow(plots.to_picture(image))
    for row, (name, backbone) in zip(axes[1:], loaded().items(), strict=True):
        row[0].text(0, 0.5, f"{name}:\nk-NN {knn_of(backbone):.1f}%", fontsize=8, va="center")
        maps = attention_maps(backbone, normalize(images)).mean(dim=1)
        for ax, attention in zip(row[1:], maps, strict=True):
            plots.show_map(ax, attention, tuple(images.shape[-2:]))
    for ax in axes.flat:
        ax.axis("off")
    return _titled(figure, "My own checkpoint attends to noise")


# ---------------------------------------------------------------- one GPU


def memory_needed(batch: int, engine: Engine) -> float:
    """Gigabytes of a card that a step of ``small`` takes, by the model."""
    config = recipe("small", batch_size=batch)
    return (HEADROOM * step_memory(config, engine, cuda=True).total + CUDA_CONTEXT) / 1e9


def memory() -> Figure:
    figure, ax = plt.subplots(figsize=(8, 2.7), layout="constrained")
    batches = range(16, 257, 16)
    for label, color, engine in (
        ("plain", WRONG, Engine()),
        ("--accumulate 4", RIGHT, Engine(accumulate=4)),
        ("--checkpoint-activations", "#3d5a80", Engine(checkpoint_activations=True)),
    ):
        ax.plot(batches, [memory_needed(b, engine) for b in batches], color=color, label=label)
    for card in (8, 12, 24):
        ax.axhline(card, color=plots.RANDOM, ls="--", lw=1)
        ax.text(16, card, f"{card} GB", va="bottom", fontsize=8, color=plots.RANDOM)
    ax.set(xlabel="batch", ylabel="GB (computed)", ylim=(0, None))
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.1, 1))
    return _titled(figure, "One card: out of memory (the recipe small, ViT-S/16)")


FIGURES = {name: functools.partial(curves, name) for name in TROUBLES} | {
    "background": background,
    "resume": resume,
    "prefix": prefix,
    "memory": memory,
}


def main(names: tyro.conf.Positional[tuple[Literal[*FIGURES], ...]] = ()) -> None:
    """Train, and draw a plot for each failure.

    Args:
        names: Of failures (default: all, minutes on two CPU cores).
    """
    OUT.mkdir(exist_ok=True)
    for name in names or FIGURES:
        figure = FIGURES[name]()
        figure.savefig(OUT / f"{name}.png", dpi=80, facecolor="white")
        plt.close(figure)
        print(f"wrote {OUT / name}.png", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
