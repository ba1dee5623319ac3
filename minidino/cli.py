"""The command line: ``minidino demo | train | knn | linear | attend | data``.

A person's mistake costs one line on stderr and exit code 2; ``--debug`` shows the traceback.
"""

import argparse
import contextlib
import functools
import io
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import torch
import tyro

from minidino import plots
from minidino.attend import (
    draw_attention,
    draw_filmstrip,
    load_examples,
    maps_of,
    mask_scores,
)
from minidino.checkpoint import load_backbone, load_checkpoint, random_backbone
from minidino.compare import compare
from minidino.config import RECIPES, TrainConfig, recipe
from minidino.data import StreamedFolder, load_data
from minidino.demo import describe, run_demo
from minidino.errors import UserError
from minidino.evaluate import knn_predict, linear_probe
from minidino.train import pick_device, train

Checkpoint = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(help="A checkpoint, or the folder of a run.")
]


def demo_command(
    out: Path = Path("runs/demo"), seed: int = 0, minutes: float = 5.0, device: str | None = None
) -> None:
    """Train on ThingsOnStuff for a few minutes and look at the attention that emerges.

    Writes summary.json, attention.png, curves.png and filmstrip.png.

    Args:
        out: Folder for the run; it must not hold one already.
        seed: Decides the images, the weights and every augmentation.
        minutes: Longest training time.
        device: cpu or cuda; by default cuda where there is one.
    """
    summary = run_demo(out, seed=seed, minutes=minutes, device=device)
    print(describe(summary, out))


def make_train_command(base: TrainConfig, epochs: int | None):
    """The train command, its settings shown with the values of the chosen recipe.

    Args:
        base: the recipe, at the length asked for.
        epochs: that length, if one was asked for.
    """

    def train_command(
        config: Annotated[TrainConfig, tyro.conf.arg(name="", prefix_name=False)] = base,
        recipe: str = "things",
        out: Path | None = None,
        minutes: float | None = None,
        resume: bool = False,
        device: str | None = None,
    ) -> None:
        """Train DINO on pictures without labels.

        Example: minidino train --recipe tiny --data photos/ --out runs/photos --minutes 30

        Args:
            config: Settings; the defaults shown are those of the recipe.
            recipe: Where the settings start from: things (CPU, minutes), tiny (ViT-Ti),
                small (ViT-S) or paper-vits16 (the official run). Any setting below changes it.
            out: Folder for checkpoint.pt, metrics.jsonl and snapshots (default: runs/RECIPE).
            minutes: Time limit. Without --epochs, as many epochs as fit are planned; with it,
                training stops when the time is up, and --resume goes on.
            resume: Go on from the checkpoint in --out, with the settings it was started with.
            device: cpu or cuda; by default cuda where there is one.
        """
        out = out or Path("runs") / recipe
        if minutes is not None and minutes <= 0:
            raise UserError(f"--minutes is {minutes}; it must be positive")
        if resume and (out / "checkpoint.pt").exists():
            names = [f.name for f in fields(config)]
            asked = {n: v for n in names if (v := getattr(config, n)) != getattr(base, n)}
            config = _saved_config(out, asked | ({"epochs": epochs} if epochs else {}))
        fit = None if epochs else "fill"
        result = train(config, out, resume=resume, minutes=minutes, fit=fit, device=device)
        state = "finished" if result.finished else "stopped: the time is up; go on with --resume"
        print(
            f"{state}; {result.seconds:.0f} s in all, {result.images_per_second:.0f} images/s\n"
            f"saved {out / 'checkpoint.pt'}; next: minidino knn {out}, minidino attend {out}"
        )

    return train_command


def _saved_config(out: Path, asked: dict[str, object]) -> TrainConfig:
    """The settings a run was started with, which a resume keeps.

    Raises:
        UserError: if others are asked for.
    """
    saved = TrainConfig.from_dict(load_checkpoint(out)["config"])
    different = [
        f"{name} was {getattr(saved, name)}, asked for {value}"
        for name, value in asked.items()
        if getattr(saved, name) != value
    ]
    if different:
        raise UserError(f"{out} was started with other settings: {'; '.join(different[:3])}")
    return saved


def _report(what: str, scores: dict[str, float], json_file: Path | None) -> None:
    print(
        f"{what}: {scores['trained']:.2f}%   random weights: {scores['random']:.2f}%   "
        f"({scores['train_images']} images to learn from, {scores['test_images']} tested)"
    )
    if json_file is not None:
        json_file.write_text(json.dumps({"what": what} | scores, indent=2) + "\n")


def knn_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    k: int = 20,
    temperature: float = 0.07,
    max_images: int | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    device: str | None = None,
) -> None:
    """Classify held-out pictures by their nearest neighbours among the labelled ones.

    Nothing is trained, so the result speaks of the features alone.

    Args:
        checkpoint: A checkpoint, or the folder of a run.
        data: What to evaluate on (default: what it was trained on).
        k: Neighbours that vote.
        temperature: A vote weighs exp(cosine / temperature).
        max_images: Labelled images at most (default: all).
        json_file: Also write the numbers here.
        device: cpu or cuda; by default cuda where there is one.
    """
    if k < 1 or temperature <= 0:
        raise UserError("--k must be at least 1 and --temperature positive")

    def judge(bank, labels, queries):
        return knn_predict(bank, labels, queries, k, temperature)

    scores = compare(checkpoint, data, judge, max_images=max_images, device=device)
    _report(f"k-NN (k = {k}, T = {temperature:g})", scores, json_file)


def linear_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    epochs: int = 100,
    blocks: int = 4,
    max_images: int | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    device: str | None = None,
) -> None:
    """Train a linear classifier on frozen features and score it on held-out pictures.

    Args:
        checkpoint: A checkpoint, or the folder of a run.
        data: What to evaluate on (default: what it was trained on).
        epochs: Passes over the features.
        blocks: The [CLS] tokens of so many last blocks are the feature.
        max_images: Labelled images at most (default: all).
        json_file: Also write the numbers here.
        device: cpu or cuda; by default cuda where there is one.
    """
    if epochs < 1 or blocks < 1:
        raise UserError("--epochs and --blocks must be at least 1")

    def judge(features, labels, queries):
        return linear_probe(features, labels, queries, epochs)

    scores = compare(
        checkpoint, data, judge, max_images=max_images, device=device, n_last_blocks=blocks
    )
    _report(f"linear probe ({blocks} blocks, {epochs} epochs)", scores, json_file)


def attend_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    out: Path | None = None,
    masks: str | None = None,
    size: int | None = None,
    pictures: int = 8,
    device: str | None = None,
) -> None:
    """Draw where the last block's [CLS] token looks, and score it where masks are known.

    Writes attention.png, filmstrip.png (if the run kept snapshots) and a folder maps/ with the
    mean attention and its 60% mask of every picture.

    Args:
        checkpoint: A checkpoint, or the folder of a run.
        data: A picture, a folder of pictures, or a data set (default: what it was trained on).
        out: Folder for the figures (default: attend/ beside the checkpoint).
        masks: Folder of true masks with the pictures' names, white on the thing.
        size: Shorter side of the pictures in pixels (default: as in the recipe).
        pictures: How many are drawn; all are scored.
        device: cpu or cuda; by default cuda where there is one.
    """
    trained, config = load_backbone(Path(checkpoint))
    where = pick_device(device)
    run = Path(checkpoint) if Path(checkpoint).is_dir() else Path(checkpoint).parent
    out = out or run / "attend"
    if pictures < 1 or (size is not None and size < config.patch_size):
        raise UserError(
            f"--pictures must be positive, --size at least a patch ({config.patch_size})"
        )
    examples = load_examples(
        data or config.data, config.patch_size, size or config.eval_size, masks=masks, limit=2000
    )
    random = random_backbone(config).to(where)
    maps, random_maps = maps_of(trained.to(where), examples), maps_of(random, examples)
    known = all(e.mask is not None for e in examples)
    title = f"Attention of the last block's [CLS] token: {run}"
    if known:
        scores, floor = mask_scores(maps, examples), mask_scores(random_maps, examples)
        for name, value in scores.items():
            print(f"{name:20s} {value:.3f}   random weights {floor[name]:.3f}")
        title += (
            f"\nbest head's Jaccard {scores['jaccard_best_head']:.2f}, random weights "
            f"{floor['jaccard_best_head']:.2f}, {len(examples)} images"
        )
    try:
        draw_attention(out, examples, maps, random_maps, pictures, title)
        draw_filmstrip(out, run, config, where, examples, pictures)
        if known:
            both = {"trained": scores, "random": floor, "images": len(examples)}
            (out / "scores.json").write_text(json.dumps(both, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None
    print(f"wrote {out / 'attention.png'}")


def data_command(
    data: Annotated[str, tyro.conf.Positional] = "things",
    out: Path = Path("runs/data.png"),
    split: str = "train",
    size: int = 64,
    images: int = 40,
    seed: int = 0,
) -> None:
    """Look at a data set: a contact sheet, with masks where they are known.

    Args:
        data: things, things-telling, a torchvision name (cifar10, stl10, imagenette, pets),
            or a folder.
        out: The picture to write.
        split: train, val or test.
        size: Side of the images in pixels.
        images: How many to show.
        seed: Of the things.
    """
    if images < 1 or size < 8:
        raise UserError("--images must be at least 1 and --size at least 8")
    found = load_data(data, split, size, max_images=images, seed=seed)
    if isinstance(found, StreamedFolder):
        raise UserError(f"{images} images of {size} px are too many for one sheet")
    order = torch.arange(len(found)) if found.labels is None else found.labels.argsort(stable=True)
    found = found.take(order)
    figure = plots.contact_sheet(
        found.images, found.labels, found.classes, found.masks, title=f"{data}, {split}"
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        plots.save(figure, out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    print(f"wrote {out}: {len(found)} images, {len(found.classes) or 'no'} classes")


# ---------------------------------------------------------------- parsing


def _run(argv: list[str]) -> None:
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--recipe", default="things")
    first.add_argument("--epochs")
    early, _ = first.parse_known_args(argv)
    training = argv[:1] == ["train"]
    base = recipe(early.recipe) if training else RECIPES["things"]
    epochs = int(early.epochs) if training and (early.epochs or "").isdecimal() else None
    if epochs:  # what is no number is the parser's to refuse
        base = base.with_epochs(epochs)
    commands = {
        "demo": demo_command,
        "train": make_train_command(base, epochs),
        "knn": knn_command,
        "linear": linear_command,
        "attend": attend_command,
        "data": data_command,
    }
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command = tyro.extras.subcommand_cli_from_dict(
                {name: _later(function) for name, function in commands.items()},
                prog="minidino",
                description="Build DINO, self-distillation with no labels, and use it.",
                args=argv,
            )
    except SystemExit as stop:
        if stop.code in (0, None):  # --help
            raise
        raise UserError(_one_line(said.getvalue(), argv)) from None
    command()


def _later(function):
    """The same arguments, but calling it only binds them: parsing ends before work begins."""

    @functools.wraps(function)
    def bind(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    return bind


def _one_line(box: str, argv: Sequence[str]) -> str:
    """The first sentence of the parser's box of text (drawn in Unicode or in ASCII)."""
    lines = [line.strip("│|╭╮╰╯ ") for line in box.splitlines()]
    words = [line for line in lines[1:] if line.strip("─-+")]  # the first line is a title
    command = f"minidino {argv[0]}" if argv and not argv[0].startswith("-") else "minidino"
    return f"{words[0] if words else 'the arguments were not understood'}; see {command} --help"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what it says, 2 for bad input, 130 after Ctrl-C."""
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv
    argv = [a for a in argv if a != "--debug"] or ["--help"]
    # A person cannot act on a library's deprecation notices.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    try:
        _run(argv)
    except UserError as error:
        if debug:
            raise
        print(f"minidino: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("minidino: stopped; a run with a checkpoint goes on with --resume", file=sys.stderr)
        return 130
    return 0
