"""Retrieval: the pictures of a folder whose features point the same way as a query's."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from minidino.config import USUAL, Reading
from minidino.data.listing import same_file
from minidino.data.pictures import UnreadablePicture, decode_square
from minidino.errors import UserError
from minidino.evaluate import extract_features
from minidino.using.embed import embed_files
from minidino.using.index import Index
from minidino.vit import VisionTransformer
from minidino.weights.file import Trained, fingerprint


@dataclass
class Neighbour:
    """A picture and the cosine of its feature with the query's."""

    file: Path
    cosine: float


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
    feature = _feature(model, query, size, reading)
    others = [file for file in files if not same_file(file, query)]
    bank, readable = embed_files(model, others, size, reading, "features" * (len(others) >= 500))
    cosines, rows = nearest(feature, bank, k)
    return [Neighbour(readable[r], c) for r, c in zip(rows.tolist(), cosines.tolist(), strict=True)]


def look_up(
    model: VisionTransformer, query: Path, index: Index, files: Sequence[Path], k: int
) -> list[Neighbour]:
    """As ``find_neighbours``, among pictures whose features are known; none of them is read.

    Args:
        files: where the index's pictures are, in its order.
    """
    feature = _feature(model, query, index.size, index.reading)
    cosines, rows = nearest(feature, index.features, len(files))
    found = ((files[r], c) for r, c in zip(rows.tolist(), cosines.tolist(), strict=True))
    others = (Neighbour(file, c) for file, c in found if not same_file(file, query))
    return list(islice(others, k))


def check_index(index: Index, trained: Trained) -> None:
    """Raises UserError if an index has features of another network."""
    if index.weights != fingerprint(trained.backbone):
        raise UserError(
            f"{index.path} has features of other weights ({index.checkpoint}); give those, or "
            "embed the pictures with these"
        )


def _feature(model: VisionTransformer, query: Path, size: int, reading: Reading) -> Tensor:
    """(D,) of one picture."""
    try:
        return extract_features(model, decode_square(query, size, reading)[None])[0]
    except UnreadablePicture as error:
        raise UserError(f"cannot read the query {error}") from None
