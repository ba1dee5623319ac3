"""Retrieval: the pictures of a folder whose features point the same way as a query's."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from minidino.config import USUAL, Reading
from minidino.data.pictures import UnreadablePicture, decode_square
from minidino.errors import UserError
from minidino.evaluate import extract_features, images_at_once
from minidino.vit import VisionTransformer


@dataclass
class Neighbour:
    """A picture and the cosine of its feature with the query's."""

    file: Path
    cosine: float


def same_file(a: Path, b: Path) -> bool:
    """Do two paths lead to one file? (``Path.resolve`` would stop at a loop of links.)"""
    return os.path.realpath(a) == os.path.realpath(b)


def nearest(query: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k rows of ``bank`` closest to ``query`` by cosine, the closest first.

    Args:
        query: (D,); bank: (N, D); of any length, they are L2-normalised here.
        k: at most N are given.

    Returns:
        cosines (k,) and their rows (k,).
    """
    cosines = F.normalize(bank.float(), dim=1) @ F.normalize(query.float(), dim=0)
    return cosines.topk(min(k, len(bank)))


def find_neighbours(
    model: VisionTransformer,
    query: Path,
    files: Sequence[Path],
    size: int,
    k: int,
    reading: Reading = USUAL,
) -> list[Neighbour]:
    """The k pictures most like the query, by the [CLS] feature of the central square.

    The query itself is left out if it is among the files; files that are no pictures are
    skipped, and named.

    Args:
        model: in eval mode.
        query: a picture.
        files: pictures to search.
        size: side in pixels that pictures are brought to.
        k: how many to return.
        reading: how pictures are read.

    Raises:
        UserError: if the query, or every one of the files, cannot be read.
    """
    try:
        query_picture = decode_square(query, size, reading)
    except UnreadablePicture as error:
        raise UserError(f"cannot read the query {error}") from None
    others = [file for file in files if not same_file(file, query)]
    readable: list[Path] = []

    def batches() -> Iterator[Tensor]:
        yield query_picture[None]
        pending = []
        for file in tqdm(others, "features", disable=len(others) < 500, leave=False):
            try:
                pending.append(decode_square(file, size, reading))
            except UnreadablePicture as error:
                tqdm.write(f"skipped unreadable picture {error}")
                continue
            readable.append(file)
            if len(pending) == images_at_once(model, size, size):
                yield torch.stack(pending)
                pending = []
        if pending:
            yield torch.stack(pending)

    features = extract_features(model, batches())
    if not readable:
        raise UserError(f"none of the {len(others)} other pictures could be read")
    cosines, rows = nearest(features[0], features[1:], k)
    return [Neighbour(readable[r], c) for r, c in zip(rows.tolist(), cosines.tolist(), strict=True)]
