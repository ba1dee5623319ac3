"""``minidino knn`` and ``minidino linear``: accuracy of frozen features."""

import json
from pathlib import Path
from typing import Annotated

import tyro

from minidino import plots
from minidino.commands.arguments import PARTS_NOT_ASKED, UNSAID, Checkpoint, PartsArgument, Weights
from minidino.errors import UserError
from minidino.run.files import check_json, write_text
from minidino.using.classify import Knn, Linear
from minidino.using.confusion import as_text, confusion_figure, per_class
from minidino.using.score import Comparison, compare


def _report(
    what: str, found: Comparison, json_file: Path | None, save: Path | None, picture: Path | None
) -> None:
    """Print the scores, and write what was asked for."""
    scores, classes = found.scores, found.classifier.classes
    print(
        f"{what}: {scores['trained']:.2f}%   random weights: {scores['random']:.2f}%   "
        f"({scores['train_images']} images of {scores['size']} px to learn from, "
        f"{scores['test_images']} tested)"
    )
    print(
        f"balanced accuracy (every class counts alike): {scores['balanced_trained']:.2f}%   "
        f"random weights: {scores['balanced_random']:.2f}%"
    )
    rows = per_class(found.counts, classes)
    print(as_text(rows))
    if json_file is not None:
        content = {"what": what} | scores | {"classes": rows}
        write_text(json_file, json.dumps(content, indent=2) + "\n")
    if save is not None:
        found.classifier.save(save)
        print(f"wrote {save}; use it with: minidino predict {save} --data NEW")
    if picture is not None:
        title = f"{what}, {scores['trained']:.1f}%, balanced {scores['balanced_trained']:.1f}%"
        plots.save(confusion_figure(found.counts, classes, title), picture)
        print(f"wrote {picture}")


def _check_targets(json_file: Path | None, save: Path | None, picture: Path | None) -> None:
    """Raises UserError, before any work, if another file would be replaced."""
    if picture is not None:
        plots.check_target(picture)
    if save is not None and save.suffix != ".safetensors":
        raise UserError(f"--save {save} must end in .safetensors")
    if save is not None and save.exists():
        raise UserError(f"--save {save} is there and is kept; choose another name")
    for name, file in (("--save", save), ("--confusion", picture), ("--json", json_file)):
        if file is not None and not file.parent.is_dir():
            raise UserError(f"{name} {file}: there is no folder {file.parent}")
    if json_file is not None:
        check_json(json_file, "what", "holds no scores; choose another --json")


def knn_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    k: int = 20,
    temperature: float = 0.07,
    max_images: int | None = None,
    size: int | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    save: Path | None = None,
    confusion: Path | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: PartsArgument = PARTS_NOT_ASKED,
) -> None:
    """Classify held-out pictures by their nearest neighbours among the labelled ones.

    Nothing is trained, so the result speaks of the features alone.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: What to evaluate on (default: what it was trained on).
        k: Neighbours that vote.
        temperature: A vote weighs exp(cosine / temperature).
        max_images: Labelled images at most (default: all).
        size: Side of the images in pixels (default: what the run evaluates at, or what the weights
            were made for).
        json_file: Also write the numbers here, and those of every class.
        save: Also write the classifier, for predict, to this .safetensors file.
        confusion: Also draw which classes are taken for which, to this .png file.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if k < 1 or not 1e-4 <= temperature <= 100:
        raise UserError("--k must be at least 1, and --temperature from 0.0001 to 100")
    _check_targets(json_file, save, confusion)

    def fit(features, labels):
        return Knn.fit(features, labels, k, temperature)

    trained = weights.load(checkpoint)
    how = {"max_images": max_images, "size": size, "device": device, "reading": reading.over}
    found = compare(trained, data, fit, **how)
    k = min(k, int(found.scores["train_images"]))  # no more than there are can vote
    _report(f"k-NN (k = {k}, T = {temperature:g})", found, json_file, save, confusion)


def linear_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    epochs: int = 100,
    blocks: int = 4,
    max_images: int | None = None,
    size: int | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    save: Path | None = None,
    confusion: Path | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: PartsArgument = PARTS_NOT_ASKED,
) -> None:
    """Train a linear classifier on frozen features and score it on held-out pictures.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: What to evaluate on (default: what it was trained on).
        epochs: Passes over the features.
        blocks: The [CLS] tokens of so many last blocks are the feature; of all, if there are fewer.
        max_images: Labelled images at most (default: all).
        size: Side of the images in pixels (default: what the run evaluates at, or what the weights
            were made for).
        json_file: Also write the numbers here, and those of every class.
        save: Also write the classifier, for predict, to this .safetensors file.
        confusion: Also draw which classes are taken for which, to this .png file.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if epochs < 1 or blocks < 1:
        raise UserError("--epochs and --blocks must be at least 1")
    _check_targets(json_file, save, confusion)

    def fit(features, labels):
        return Linear.fit(features, labels, epochs, blocks)

    trained = weights.load(checkpoint)
    blocks = min(blocks, getattr(trained.backbone, "depth", 1))  # a ResNet has one feature
    how = {"max_images": max_images, "size": size, "device": device, "reading": reading.over}
    found = compare(trained, data, fit, n_last_blocks=blocks, **how)
    what = f"linear probe ({blocks} block{'s' * (blocks > 1)}, {epochs} epochs)"
    _report(what, found, json_file, save, confusion)
