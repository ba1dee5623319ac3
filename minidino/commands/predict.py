"""``minidino predict``."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import tyro

from minidino.commands.arguments import NOT_ASKED, UNSAID, ReadingArgument, Unsaid, Weights
from minidino.data.folders import told
from minidino.engine.machine import pick_device
from minidino.errors import UserError, check_ours, one_line
from minidino.using.classify import COLUMNS, Classifier, check_backbone, load_classifier, predict
from minidino.using.segment import pictures_of
from minidino.weights.file import Trained


def predict_command(
    classifier: Annotated[Path, tyro.conf.Positional],
    data: Path,
    out: Path | None = None,
    backbone: str | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
) -> None:
    """Label new pictures with a classifier that knn or linear saved.

    Writes a .csv: name, label, confidence. The confidence is a share of the neighbours' votes, or a
    softmax; of pictures of a class that was never learned it may be high, too.

    Args:
        classifier: What knn --save or linear --save wrote.
        data: A picture, or a folder of pictures, searched at any depth.
        out: The table (default: predictions.csv beside the classifier).
        backbone: Where the weights are that it was learned on, if they have moved.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read; by default as those that the classifier learned from.
    """
    out = out or classifier.parent / "predictions.csv"
    check_ours(out, _is_table, "holds no predictions; choose another --out")
    known, files = load_classifier(classifier), pictures_of(data)
    try:
        trained = _backbone(backbone or known.checkpoint, known, weights)
    except UserError as error:
        if backbone is not None:
            raise
        place = Path(known.checkpoint)  # of weights that have no name it is the whole path
        gone = place.is_absolute() and not place.exists()
        raise UserError(
            f"{classifier} was learned on features of {place}, and "
            f"{'nothing is there now' if gone else f'that cannot be used ({error})'}; "
            "--backbone tells where those weights are"
        ) from None
    check_backbone(known, trained, classifier)
    trained.backbone.to(pick_device(device))
    root = data if data.is_dir() else data.parent
    out.parent.mkdir(parents=True, exist_ok=True)
    names = [file.relative_to(root).as_posix() for file in files]
    count = predict(known, trained, files, names, out, told(files, reading.over(known.reading)))
    labels = ", ".join(f"{name} {n:,}" for name, n in count.most_common(10))
    more = f" and {len(count) - 10} more classes" if len(count) > 10 else ""
    unread = len(files) - count.total()
    left_out = f"; {unread:,} files could not be read" if unread else ""
    print(f"wrote {out}: {count.total():,} pictures, {one_line(labels)}{more}{left_out}")


def _backbone(checkpoint: str, known: Classifier, weights: Unsaid) -> Trained:
    """The classifier's number of heads is for weights that tell none of their own."""
    try:
        return replace(weights, num_heads=weights.num_heads or known.num_heads).load(checkpoint)
    except UserError:
        if weights.num_heads or known.num_heads is None:
            raise
        return weights.load(checkpoint)  # another backbone, as will be said, or its own mistake


def _is_table(out: Path) -> bool:
    with out.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return next(csv.reader(file), None) == COLUMNS
