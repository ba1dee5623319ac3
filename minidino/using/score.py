"""Trained against random weights, judged the same way on the same pictures."""

from collections.abc import Callable

import torch
from torch import Tensor

from minidino.config import Reading
from minidino.data import load_data
from minidino.data.pictures import Pictures
from minidino.data.streamed import StreamedFolder
from minidino.data.twins import tell_twins
from minidino.engine.machine import pick_device
from minidino.errors import UserError
from minidino.evaluate import accuracy, extract_features, images_at_once
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
    features = extract_features(model, batches, **how)
    if isinstance(data, StreamedFolder) and data.skipped:
        good = torch.tensor([file not in data.skipped for file in data.files])
        return features[good], data.labels[good]
    return features, data.labels


def compare(
    trained: Trained,
    spec: str | None,
    judge: Callable[[Tensor, Tensor, Tensor], Tensor],
    *,
    max_images: int | None = None,
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
        reading: how pictures are read, given how the run read them.
        how: passed on to ``extract_features``.

    Returns:
        ``trained`` and ``random`` in percent, ``train_images`` and ``test_images``.

    Raises:
        UserError: if the data has no labels.
    """
    where = pick_device(device)
    spec, size = trained.data(spec), trained.eval_size
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
    scores = {"train_images": len(bank), "test_images": len(test)}
    for name, model in (("trained", trained.backbone), ("random", trained.random())):
        features = features_of(model.to(where), bank, progress=f"features, {name} weights", **how)
        queries, labels = features_of(model, test, **how)
        scores[name] = accuracy(judge(*features, queries), labels)
    return scores
