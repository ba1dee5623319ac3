"""``minidino knn`` and ``minidino linear``: accuracy of frozen features."""

import json
from pathlib import Path
from typing import Annotated

import tyro

from minidino.commands.arguments import NOT_ASKED, UNSAID, Checkpoint, ReadingArgument, Weights
from minidino.errors import UserError
from minidino.evaluate import knn_predict, linear_probe
from minidino.run.files import write_text
from minidino.using.score import compare


def _report(what: str, scores: dict[str, float], json_file: Path | None) -> None:
    print(
        f"{what}: {scores['trained']:.2f}%   random weights: {scores['random']:.2f}%   "
        f"({scores['train_images']} images of {scores['size']} px to learn from, "
        f"{scores['test_images']} tested)"
    )
    if json_file is not None:
        write_text(json_file, json.dumps({"what": what} | scores, indent=2) + "\n")


def _check_target(json_file: Path | None) -> None:
    """Raises UserError, before any work, if the scores would replace another file."""
    if json_file is None:
        return
    if not json_file.parent.is_dir():
        raise UserError(f"--json {json_file}: there is no folder {json_file.parent}")
    if not json_file.exists():
        return
    try:
        ours = "what" in json.loads(json_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise UserError(f"--json {json_file} is there and holds no scores; choose another name")


def knn_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    k: int = 20,
    temperature: float = 0.07,
    max_images: int | None = None,
    size: int | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
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
        json_file: Also write the numbers here.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if k < 1 or not 1e-4 <= temperature <= 100:
        raise UserError("--k must be at least 1, and --temperature from 0.0001 to 100")
    _check_target(json_file)

    def judge(bank, labels, queries):
        return knn_predict(bank, labels, queries, k, temperature)

    trained = weights.load(checkpoint)
    how = {"max_images": max_images, "size": size, "device": device, "reading": reading.over}
    scores = compare(trained, data, judge, **how)
    k = min(k, int(scores["train_images"]))  # no more than there are can vote
    _report(f"k-NN (k = {k}, T = {temperature:g})", scores, json_file)


def linear_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    epochs: int = 100,
    blocks: int = 4,
    max_images: int | None = None,
    size: int | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
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
        json_file: Also write the numbers here.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if epochs < 1 or blocks < 1:
        raise UserError("--epochs and --blocks must be at least 1")
    _check_target(json_file)

    def judge(features, labels, queries):
        return linear_probe(features, labels, queries, epochs)

    trained = weights.load(checkpoint)
    how = {"max_images": max_images, "size": size, "device": device, "reading": reading.over}
    scores = compare(trained, data, judge, n_last_blocks=blocks, **how)
    _report(f"linear probe ({blocks} blocks, {epochs} epochs)", scores, json_file)
