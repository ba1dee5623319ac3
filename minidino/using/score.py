"""Trained against random weights, judged the same way on the same pictures."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minidino.attention import score_attention
from minidino.config import Reading, TrainConfig
from minidino.data import load_data
from minidino.data.pictures import Pictures
from minidino.data.streamed import StreamedFolder
from minidino.data.twins import tell_twins
from minidino.engine.machine import pick_device
from minidino.errors import UserError
from minidino.evaluate import (
    accuracy,
    extract_features,
    images_at_once,
    knn_predict,
    linear_probe,
)
from minidino.vit import VisionTransformer
from minidino.weights.file import Trained


def features_of(
    model: VisionTransformer, data: Pictures | StreamedFolder, **how
) -> tuple[Tensor, Tensor]:
    """Features (N, D) and labels (N,) of the pictures that could be read.

    Args:
        how: passed on to ``extract_features``.
    """
    side = data.size if isinstance(data, StreamedFolder) else data.images.shape[-1]
    batches = data.batches(torch.arange(len(data)).split(images_at_once(model, side, side)))
    features = extract_features(model, batches, total=len(data), **how)
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


def compare(
    trained: Trained,
    spec: str | None,
    judge: Callable[[Tensor, Tensor, Tensor], Tensor],
    *,
    max_images: int | None = None,
    size: int | None = None,
    device: str | None = None,
    reading: Callable[[Reading], Reading] = lambda kept: kept,
    **how,
) -> dict[str, float]:
    """Accuracy of trained weights and of the same backbone with random ones.

    Args:
        trained: the weights, as ``load_trained`` read them.
        spec: data with labels; None for what it was trained on, if a run of ours.
        judge: (features, labels, other features) -> labels of the others.
        max_images: labelled images at most.
        size: side of the images in pixels; by default the weights' own.
        reading: how pictures are read, given how the run read them.
        how: passed on to ``extract_features``.

    Returns:
        ``trained`` and ``random`` in percent, ``train_images``, ``test_images`` and ``size``.

    Raises:
        UserError: if the data has no labels, or the size does not divide into patches.
    """
    where = pick_device(device)
    spec, size, patch = trained.data(spec), size or trained.eval_size, trained.backbone.patch_size
    if size < patch or size % patch:
        raise UserError(f"--size is {size}; it must be a multiple of the patch size, {patch}")
    read = reading(trained.reading)
    bank = load_data(spec, "labelled", size, max_images=max_images, seed=trained.seed, reading=read)
    labels = bank.labels
    if len(bank.classes) == 1 or (labels is not None and len(labels.unique()) < 2):
        raise UserError(f"{spec} has pictures of one class only, so accuracy means nothing")
    if labels is None:
        raise UserError(f"{spec} has no labels (no folder per class), so accuracy means nothing")
    test = load_data(spec, "test", size, reading=read)
    if test.labels is None:
        raise UserError(f"{spec}: the held-out pictures are not in folders named as in train")
    tell_twins(bank, test)
    scores = {"train_images": len(bank), "test_images": len(test), "size": size}
    for name, model in (("trained", trained.backbone), ("random", trained.random())):
        features = features_of(model.to(where), bank, progress=f"features, {name} weights", **how)
        queries, labels = features_of(model, test, **how)
        scores[name] = accuracy(judge(*features, queries), labels)
    return scores
