"""Trained against random weights, judged the same way on the same pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from minidino.attention import score_attention
from minidino.config import Reading, TrainConfig
from minidino.data import load_data, located, others_than
from minidino.data.listing import few
from minidino.data.pictures import Pictures
from minidino.data.streamed import StreamedFolder
from minidino.data.twins import tell_twins
from minidino.engine import distributed
from minidino.engine.machine import pick_device
from minidino.errors import UserError
from minidino.evaluate import (
    accuracy,
    extract_features,
    images_at_once,
    knn_predict,
    linear_probe,
)
from minidino.using.classify import Classifier, Learned
from minidino.using.confusion import balanced_accuracy, confusion
from minidino.vit import VisionTransformer
from minidino.weights.file import Trained


def features_of(
    model: VisionTransformer, data: Pictures | StreamedFolder, progress: str = "", **how
) -> tuple[Tensor, Tensor]:
    """Features (N, D) and labels (N,) of the pictures that could be read.

    Args:
        progress: a title, if a progress bar is wanted.
        how: passed on to ``extract_features``.
    """
    side = data.size if isinstance(data, StreamedFolder) else data.images.shape[-1]
    batches = data.batches(torch.arange(len(data)).split(images_at_once(model, side, side)))
    features = extract_features(model, batches, progress=progress, total=len(data), **how)
    if isinstance(data, StreamedFolder) and data.skipped:
        good = torch.tensor([file not in data.skipped for file in data.files])
        return features[good], data.labels[good]
    return features, data.labels


@torch.no_grad()
def quality(
    backbone: VisionTransformer, config: TrainConfig, split: str, linear: bool = True
) -> tuple[dict[str, float], Tensor]:
    """k-NN, linear probe and attention of a run's backbone on its own data, and the features.

    Args:
        backbone: on the device where it is to be judged.
        split: "test", or "val" for choices.
        linear: also the linear probe, on the [CLS] tokens of the last 4 blocks at most.

    Returns:
        ``knn`` and ``linear`` in percent; where there are masks ``jaccard_best_head`` (of each
        image), ``jaccard_mean`` (of the mean map) and ``jaccard_heads``. Features: (N, D) of the
        split's images.
    """
    how = {"size": config.eval_size, "reading": config.reading}
    bank = load_data(config.data, "labelled", max_images=5000, seed=config.seed, **how)
    held = load_data(config.data, split, **how)
    features, queries = (extract_features(backbone, part.images) for part in (bank, held))
    predicted = knn_predict(features, bank.labels, queries)
    scores: dict[str, Any] = {"knn": round(accuracy(predicted, held.labels), 2)}
    if linear:
        blocks = min(4, getattr(backbone, "depth", 1))
        x, y = (extract_features(backbone, p.images, n_last_blocks=blocks) for p in (bank, held))
        with torch.enable_grad():
            predicted = linear_probe(x, bank.labels, y, seed=config.seed)
        scores["linear"] = round(accuracy(predicted, held.labels), 2)
    if held.masks is not None:
        attention = score_attention(backbone, held.images, held.masks)
        scores |= {
            "jaccard_best_head": round(attention.best_head, 4),
            "jaccard_mean": round(attention.mean, 4),
            "jaccard_heads": [round(h, 4) for h in attention.heads.tolist()],
        }
    return scores, queries


@dataclass(frozen=True)
class Comparison:
    """How trained weights and random ones of the same network did.

    Attributes:
        scores: ``trained``, ``random`` and the ``balanced_`` accuracy of both, in percent,
            ``train_images``, ``test_images`` and ``size``.
        counts: int64 (classes, classes), of trained weights, see ``confusion``.
        classifier: what was learned on trained features.
    """

    scores: dict[str, float]
    counts: Tensor
    classifier: Classifier


def compare(
    trained: Trained,
    spec: str | None,
    fit: Callable[[Tensor, Tensor], Learned],
    *,
    max_images: int | None = None,
    size: int | None = None,
    device: str | None = None,
    reading: Callable[[Reading], Reading] = lambda kept: kept,
    **how,
) -> Comparison:
    """Accuracy of trained weights and of the same backbone with random ones.

    Args:
        trained: the weights, as ``load_trained`` read them.
        spec: data with labels; None for what it was trained on, if a run of ours.
        fit: (features, labels) -> what classifies others.
        max_images: labelled images at most.
        size: side of the images in pixels; by default the weights' own.
        reading: how pictures are read, given how the run read them.
        how: passed on to ``extract_features``.

    Raises:
        UserError: if the data has no labels, or the size does not divide into patches.
    """
    where = pick_device(device)
    spec, size = trained.data(spec), trained.side(size)
    read = reading(trained.reading)
    bank, test = _labelled(spec, size, max_images, trained.seed, read)
    same = trained.config is not None and located(spec) == located(trained.config.data)
    if same and others_than(trained.names_digest, bank):
        distributed.note(
            f"{spec} has other pictures to train on than it had in the training (some were added, "
            "taken away or renamed, or --group-by is another): where a fifth is held out, part of "
            "it may have been trained on"
        )
    scores: dict[str, float] = {"train_images": 0, "test_images": 0, "size": size}
    of = {}
    for name, model in (("random", trained.random()), ("trained", trained.backbone)):
        title = f"features, {name} weights"
        features, known = features_of(model.to(where), bank, title, **how)
        queries, labels = features_of(model, test, f"{title}, held out", **how)
        scores |= {"train_images": len(known), "test_images": len(labels)}  # that could be read
        learned = fit(features, known)
        predicted = learned.probabilities(queries).argmax(dim=1)
        counts = confusion(labels, predicted, len(bank.classes))
        scores[name] = accuracy(predicted, labels)
        scores[f"balanced_{name}"] = balanced_accuracy(counts)
        of[name] = learned, counts
    _tell_missing(known, bank.classes)
    learned, counts = of["trained"]
    read = bank.how if bank.files else read  # new pictures are scaled as these were
    classifier = Classifier.of(learned, bank.classes, trained, size, read)
    return Comparison(scores, counts, classifier)


def _tell_missing(labels: Tensor, classes: Sequence[str]) -> None:
    """Say which classes have no picture to learn from."""
    known = set(labels.tolist())
    if missing := [name for i, name in enumerate(classes) if i not in known]:
        distributed.note(
            f"no picture to learn from, so none can be found: {len(missing):,} of {len(classes):,} "
            f"classes ({few(missing)})"
        )


def _labelled(
    spec: str, size: int, max_images: int | None, seed: int, read: Reading
) -> tuple[Pictures | StreamedFolder, Pictures | StreamedFolder]:
    """The pictures to learn from and the held-out ones.

    Raises:
        UserError: if their labels are not known, or all the same.
    """
    bank = load_data(spec, "labelled", size, max_images=max_images, seed=seed, reading=read)
    labels = bank.labels
    if len(bank.classes) == 1 or (labels is not None and len(labels.unique()) < 2):
        if len(bank.classes) > 1 and max_images is not None:
            raise UserError(f"--max-images {max_images} leaves one class only of {spec}; raise it")
        raise UserError(f"{spec} has pictures of one class only, so accuracy means nothing")
    if labels is None:
        raise UserError(f"{spec} has no labels (no folder per class), so accuracy means nothing")
    test = load_data(spec, "test", size, reading=read)
    if test.labels is None:
        raise UserError(f"{spec}: the held-out pictures are not in folders named as in train")
    tell_twins(bank, test)
    return bank, test
