"""A classifier on frozen features that is kept in a file, and what it says of new pictures.

The file has what was learned of the features, the names of the classes and how pictures are to be
read. The backbone is not in it, but its fingerprint: with another one a classifier means nothing.
"""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from minidino.config import Reading
from minidino.errors import UserError
from minidino.evaluate import LinearClassifier, fit_linear, images_at_once, knn_votes
from minidino.run.files import replacing, save_tensors
from minidino.using.embed import embed_images, readable, streamed
from minidino.weights.file import Trained, fingerprint

FORMAT = "minidino-classifier-1"
COLUMNS = ["name", "label", "confidence"]


@dataclass(frozen=True)
class Knn:
    """Weighted k-NN among labelled features."""

    features: Tensor  # (N, D), unit rows
    labels: Tensor  # int64 (N,)
    k: int
    temperature: float

    @classmethod
    def fit(cls, features: Tensor, labels: Tensor, k: int, temperature: float) -> "Knn":
        return cls(F.normalize(features.float(), dim=1), labels, k, temperature)

    def probabilities(self, features: Tensor) -> Tensor:
        """(M, D) -> (M, classes): each class's share of the votes."""
        return knn_votes(self.features, self.labels, features, self.k, self.temperature)


@dataclass(frozen=True)
class Linear:
    """A linear classifier on the [CLS] tokens of ``blocks`` last blocks."""

    classifier: LinearClassifier
    blocks: int

    @classmethod
    def fit(cls, features: Tensor, labels: Tensor, epochs: int, blocks: int) -> "Linear":
        return cls(fit_linear(features, labels, epochs), blocks)

    def probabilities(self, features: Tensor) -> Tensor:
        """(M, D) -> (M, classes): softmax; it is not calibrated, and mostly too sure."""
        return self.classifier(features).softmax(dim=1)


Learned = Knn | Linear


@dataclass(frozen=True)
class Classifier:
    """What was learned, and what must be the same when it is used."""

    learned: Learned
    classes: tuple[str, ...]
    checkpoint: str  # the backbone's weights, as they were given
    weights: str  # their fingerprint
    num_heads: int | None
    size: int  # of pictures, in pixels
    reading: Reading

    @classmethod
    def of(
        cls, learned: Learned, classes: Sequence[str], trained: Trained, size: int, reading: Reading
    ) -> "Classifier":
        heads = getattr(trained.backbone, "num_heads", None)
        known = (trained.source, fingerprint(trained.backbone), heads, size, reading)
        return cls(learned, tuple(classes), *known)

    def save(self, path: Path) -> None:
        """Write a ``.safetensors`` file, whole or not at all.

        Raises:
            UserError: if it cannot be written.
        """
        about: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("classes", "checkpoint", "weights", "num_heads", "size")
        }
        about["reading"] = asdict(self.reading)
        if isinstance(self.learned, Knn):
            about |= {"kind": "knn", "k": self.learned.k, "temperature": self.learned.temperature}
            tensors = {"features": self.learned.features, "labels": self.learned.labels}
        else:
            about |= {"kind": "linear", "blocks": self.learned.blocks}
            tensors = vars(self.learned.classifier)
        tensors = {name: t.contiguous() for name, t in tensors.items()}
        try:
            with replacing(path) as partial:
                save_tensors(tensors, partial, {"format": FORMAT, "about": json.dumps(about)})
        except (OSError, SafetensorError) as error:
            raise UserError(f"cannot write {path}: {error}") from None


def load_classifier(path: Path) -> Classifier:
    """Read what ``Classifier.save`` wrote.

    Raises:
        UserError: if it is something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError
            about = json.loads(metadata["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        kind, classes = about.pop("kind"), tuple(map(str, about.pop("classes")))
        reading = Reading(**about.pop("reading"))
        if kind == "knn":
            votes = {"k": about.pop("k"), "temperature": about.pop("temperature")}
            learned: Learned = Knn(**tensors, **votes)
            whole = (
                learned.features.ndim == 2
                and learned.labels.shape == learned.features.shape[:1]
                and 0 <= learned.labels.min() <= learned.labels.max() < len(classes)
            )
        else:
            learned = Linear(LinearClassifier(**tensors), about.pop("blocks"))
            width, known = tensors["weight"].shape
            whole = width == len(tensors["mean"]) and known == tensors["bias"].shape[-1]
            whole = whole and 0 < known <= len(classes)  # of the last ones there may be no picture
        if not whole:
            raise ValueError
        return Classifier(learned, classes, **about, reading=reading)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, IndexError,
            RuntimeError):  # fmt: skip
        raise UserError(
            f"{path} is no classifier; save one with: minidino knn RUN --save "
            f"{path.stem}.safetensors"
        ) from None


def check_backbone(classifier: Classifier, trained: Trained, path: Path) -> None:
    """Raises UserError if a classifier was learned on another backbone's features."""
    if classifier.weights != fingerprint(trained.backbone):
        raise UserError(
            f"{path} was learned on features of another backbone than {trained.source} is now; "
            f"give the one that was then {classifier.checkpoint}, by --backbone, or learn anew"
        )


@torch.no_grad()
def predict(
    classifier: Classifier,
    trained: Trained,
    files: Sequence[Path],
    names: Sequence[str],
    out: Path,
    reading: Reading,
) -> Counter:
    """Write a ``.csv``, for each picture that can be read its name, label and confidence.

    Args:
        trained: the classifier's own backbone, where it is to be computed.
        names: of the files, in the table.
        reading: how they are read: as the classifier's own were, in one range.

    Returns:
        how many pictures have each label.
    """
    model, learned, count = trained.backbone, classifier.learned, Counter()
    folder = streamed(list(files), classifier.size, reading, model)
    indices = torch.arange(len(files)).split(images_at_once(model, *2 * (classifier.size,)))
    blocks = learned.blocks if isinstance(learned, Linear) else 0
    try:
        with (
            replacing(out) as partial,
            partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
            tqdm(total=len(files), desc="pictures", unit="img", leave=False) as bar,
        ):
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for index, good, images in readable(folder, indices):
                bar.update(len(index))
                if not len(good):
                    continue
                features = embed_images(model, images, layers=blocks)
                x = features["layers"].flatten(1) if blocks else features["cls"]
                confidence, label = learned.probabilities(x).max(dim=1)
                for row, i, c in zip(good.tolist(), label, confidence, strict=True):
                    table.writerow([names[row], classifier.classes[i], f"{c:.4f}"])
                    count[classifier.classes[i]] += 1
    finally:
        folder.close()
    return count
