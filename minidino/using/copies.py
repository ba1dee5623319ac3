"""Near-copies: pictures that were cut, squeezed, turned or written on, found by their features.

Features are whitened over the set first, as for the copy detection of DINO (section 4.2.1): what
all pictures share says nothing of a copy, and raw cosines of any two photographs are near 1.
"""

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor
from tqdm import tqdm

RIDGE = 1e-3  # of the largest variance: directions in which next to nothing varies stay small
LIKELY = 0.95  # the least cosine of near-copies; what that finds: docs/log.md
AT_MOST = 10_000  # pairs
ROUNDING = 1e-5  # of a feature's length: pictures that are the same come 1e-7 apart


def whiten(features: Tensor, of: Tensor | None = None) -> Tensor:
    """Unit rows whose directions vary alike.

    Args:
        features: (N, D).
        of: (M, D), the set whose mean and covariance are taken; by default ``features``.

    Returns:
        (N, D): (x - mean) V (E + r)^-1/2, of the covariance V E V^T, to length 1. r is ``RIDGE``
        max E + sum E / M: M pictures do not tell variances better than that, and a few of them
        would all come to lie equally far apart.
    """
    of = (features if of is None else of).double()
    mean = of.mean(dim=0)
    values, vectors = torch.linalg.eigh((of - mean).T @ (of - mean) / len(of))
    ridge = RIDGE * values[-1] + values.sum() / len(of)
    scale = (values.clamp(min=0) + ridge).clamp(min=1e-12).rsqrt()
    return F.normalize(((features.double() - mean) @ vectors * scale).float(), dim=1)


@dataclass(frozen=True)
class Pair:
    """Two pictures, by their rows, and the cosine of their whitened features."""

    first: int
    second: int
    cosine: float


def find_copies(features: Tensor, threshold: float = LIKELY) -> list[Pair]:
    """Pairs of rows that are near-copies, the likest first, ``AT_MOST`` of them.

    Args:
        features: (N, D) of a set of pictures.
        threshold: the least cosine.
    """
    x = whiten(features)
    # What is at the mean is without direction, and all of it the same: as when all pictures are.
    away = (features - features.double().mean(dim=0)).norm(dim=1)
    same = (away <= ROUNDING * features.norm(dim=1))[:, None]
    x = torch.cat([x * ~same, same], dim=1)
    cosines, rows = torch.empty(0), torch.empty(0, 2, dtype=torch.long)
    for begin in tqdm(range(0, len(x), 1024), "comparing", disable=len(x) < 20_000, leave=False):
        block = x[begin : begin + 1024] @ x[begin:].T  # each pair once: what follows alone
        block.masked_fill_(torch.ones_like(block, dtype=torch.bool).tril(), -2.0)
        found = (block >= threshold).nonzero()
        cosines = torch.cat([cosines, block[found[:, 0], found[:, 1]]])
        rows = torch.cat([rows, found + begin])
        if len(rows) > AT_MOST:
            cosines, best = cosines.topk(AT_MOST)
            rows = rows[best]
    order = cosines.argsort(descending=True, stable=True)
    pairs = zip(rows[order].tolist(), cosines[order].tolist(), strict=True)
    return [Pair(first, second, cosine) for (first, second), cosine in pairs]


# ---------------------------------------------------------------- how well that works


def make_copies(picture: Image.Image, chance: random.Random) -> dict[str, Image.Image]:
    """Four copies of an RGB picture: ``crop`` (half to four fifths of each side), ``jpeg`` (of
    quality 10), ``rotation`` (5 to 20 degrees, corners black) and ``text`` (two lines over it)."""
    width, height = picture.size
    share = chance.uniform(0.5, 0.8)
    w, h = round(width * share), round(height * share)
    x, y = chance.randint(0, width - w), chance.randint(0, height - h)
    squeezed = io.BytesIO()
    picture.save(squeezed, "JPEG", quality=10)
    angle = chance.choice((-1, 1)) * chance.uniform(5, 20)
    written = picture.copy()
    ImageDraw.Draw(written).text(
        (0.05 * width, 0.35 * height), "SAMPLE TEXT\nNOT FOR SALE", "white", font_size=0.13 * height
    )
    return {
        "crop": picture.crop((x, y, x + w, y + h)),
        "jpeg": Image.open(squeezed).convert("RGB"),
        "rotation": picture.rotate(angle, Image.Resampling.BICUBIC, expand=True),
        "text": written,
    }


def average_precision(scores: Tensor, truth: Tensor) -> float:
    """The area below precision over recall: the sum over thresholds of a step in recall times the
    precision there.

    Args:
        scores: (N,), higher for what is more likely true; equal ones are told apart by nothing.
        truth: bool (N,), true at least once.
    """
    scores, order = scores.sort(descending=True)
    hits = truth[order].double().cumsum(0)
    precision = hits / torch.arange(1, len(hits) + 1)
    last = torch.cat([scores[1:] != scores[:-1], torch.ones(1, dtype=torch.bool)])  # of equal ones
    recall = hits[last] / hits[-1]
    return float((precision[last] * recall.diff(prepend=recall.new_zeros(1))).sum())


def copy_detection(
    embed: Callable[[Sequence[Image.Image]], Tensor],
    pictures: Sequence[Image.Image],
    copied: int,
    seed: int = 0,
) -> dict[str, float]:
    """Average precision over all pairs of a copy and a picture, each kind of copy on its own.

    Args:
        embed: pictures -> features (N, D).
        pictures: RGB; copies are made of the first ``copied``, the others distract.

    Returns:
        for each kind of ``make_copies``, and ``all`` of them among one another; and of all,
        ``precision`` and ``recall`` of what reaches ``LIKELY``.
    """
    chance = random.Random(seed)
    copies = [make_copies(picture, chance) for picture in pictures[:copied]]
    known = embed(pictures)
    bank = whiten(known)
    truth = torch.eye(copied, len(pictures), dtype=torch.bool)
    scores = {
        kind: whiten(embed([made[kind] for made in copies]), of=known) @ bank.T
        for kind in copies[0]
    }
    found = {kind: average_precision(s.flatten(), truth.flatten()) for kind, s in scores.items()}
    every = torch.stack(list(scores.values())).flatten()
    truth = truth.repeat(len(scores), 1).flatten()
    told = truth[every >= LIKELY].double()
    return found | {
        "all": average_precision(every, truth),
        "precision": told.mean().item() if len(told) else 0.0,
        "recall": (told.sum() / truth.sum()).item(),
    }
