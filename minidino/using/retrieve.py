"""Retrieval: the pictures of a folder whose features point the same way as a query's."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.config import USUAL, Reading
from minidino.data.listing import few, same_file
from minidino.data.pictures import UnreadablePicture, decode_square
from minidino.errors import UserError, one_line
from minidino.evaluate import extract_features
from minidino.using.copies import ROUNDING
from minidino.using.embed import embed_files
from minidino.using.index import Index, state_of
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


def as_they_are(
    index: Index, files: Sequence[Path], folder: Path | None
) -> tuple[Index, list[Path]]:
    """The index without what is gone, and where the rest is; what is not as it was is told.

    Where none of its pictures is there the folder has moved, and all are kept.

    Args:
        files: where the index's pictures should be, in its order.
        folder: where that was said to be now. Copies have other times.
    """
    now = np.array([state_of(file) for file in files], dtype=np.int64)
    there = torch.from_numpy(now[:, 0] >= 0)
    if not there.any():
        print(
            f"none of the {len(files):,} pictures of {index.path} is in {folder or index.folder}; "
            "--data tells where they are now"
        )
        return index, list(files)
    rows = there.nonzero()[:, 0].tolist()
    if gone := [index.names[i] for i in (~there).nonzero()[:, 0].tolist()]:
        print(f"left out, as they are gone: {len(gone):,} of {len(files):,} ({few(gone)})")
    if index.states is None:
        print(f"{index.path} does not tell which pictures have changed since; embed them anew")
    else:
        moved = folder is not None and not same_file(folder, index.folder)
        other = (now != index.states)[:, : 1 if moved else 2].any(axis=1)
        if changed := [index.names[i] for i in rows if other[i]]:
            print(
                f"written anew since {index.path} was made, and known to it as they were: "
                f"{len(changed):,} of {len(files):,} ({few(changed)})"
            )
    return replace(index, features=index.features[rows]), [files[i] for i in rows]


def look_up(
    model: VisionTransformer,
    query: Path,
    index: Index,
    files: Sequence[Path],
    k: int,
    reading: Reading,
) -> list[Neighbour]:
    """As ``find_neighbours``, among pictures whose features are known; none of them is read.

    Args:
        files: where the index's pictures are, in its order.
        reading: how the query is read.
    """
    feature = _feature(model, query, index.size, reading)
    cosines, rows = nearest(feature, index.features, len(files))
    found = ((files[r], c) for r, c in zip(rows.tolist(), cosines.tolist(), strict=True))
    found = [Neighbour(file, c) for file, c in found]
    # The disk is asked of the nearest alone: a query is its own nearest.
    others = list(islice((n for n in found if not same_file(n.file, query)), k + 1))
    if others == found[: k + 1] and (itself := _itself(query, others)) is not None:
        print(f"left out, as it is the query where it was: {one_line(itself.file)}")
        others.remove(itself)
    return others[:k]


def _itself(query: Path, found: Sequence[Neighbour]) -> Neighbour | None:
    """The query under the path of before: of the same name and content, and no longer there."""
    parts = Path(os.path.abspath(query)).parts

    def alike(n: Neighbour) -> int:
        pairs = zip(reversed(parts), reversed(n.file.parts), strict=False)
        return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))

    same = (n for n in found if n.file.name == query.name and n.cosine > 1 - ROUNDING)
    return max((n for n in same if not n.file.exists()), key=alike, default=None)


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
