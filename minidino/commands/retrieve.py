"""``minidino retrieve``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import tyro

from minidino import plots
from minidino.commands.arguments import (
    SQUARES_NOT_ASKED,
    UNSAID,
    AskedSquares,
    Checkpoint,
    SquaresArgument,
    Weights,
)
from minidino.config import Reading
from minidino.data.folders import told
from minidino.data.listing import list_pictures, same_file
from minidino.data.pictures import UnreadablePicture, decode_square
from minidino.engine.machine import pick_device
from minidino.errors import UserError, one_line
from minidino.using.copies import AT_MOST, LIKELY, find_copies
from minidino.using.embed import embed_files
from minidino.using.index import Index, load_index
from minidino.using.retrieve import as_they_are, check_index, find_neighbours, look_up
from minidino.weights.file import Trained

DRAWN = 10  # pairs of near-copies
NEAREST = 9


def retrieve_command(
    checkpoint: Checkpoint,
    query: Annotated[Path | None, tyro.conf.Positional] = None,
    data: Path | None = None,
    index: Path | None = None,
    duplicates: bool = False,
    threshold: float = LIKELY,
    k: int = NEAREST,
    out: Path | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: SquaresArgument = SQUARES_NOT_ASKED,
) -> None:
    """Find the pictures of a folder that are most like a given one, or near-copies in it.

    Prints their cosines with the query and writes a contact sheet, the query first.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        query: The picture to look for.
        data: Folder of pictures, searched at any depth; the query itself is not counted. Beside
            --index: where its pictures are now.
        index: The features of the pictures, as embed wrote them to a .npz: nothing is read again,
            what is gone is left out, and what has changed since is named.
        duplicates: List pairs that are near-copies of each other, in place of a query.
        threshold: Of near-copies, the least cosine of features that are whitened over the set.
        k: How many to find.
        out: The sheet (default: retrieve.png or duplicates.png beside the checkpoint).
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    _check(query, data, index, duplicates, threshold, k)
    if out is not None:
        plots.check_target(out)
    known, files = _files(None if index is None else load_index(index), data, query)
    if out is not None and any(same_file(out, f) for f in (query, *files) if f is not None):
        raise UserError(f"--out {out} is one of the pictures; give it another name")
    trained, where = weights.load(checkpoint), pick_device(device)
    out = out or trained.folder / ("duplicates.png" if duplicates else "retrieve.png")
    plots.check_target(out)
    if known is not None:
        check_index(known, trained)
    size = trained.eval_size if known is None else known.size
    read = _reading(
        trained.reading if known is None else known.reading, reading, known, files, query
    )
    trained.backbone.to(where)
    if duplicates:
        _duplicates(trained, known, files, size, read, threshold, out)
        return
    if known is None:
        found = find_neighbours(trained.backbone, query, files, size, k, read)
    else:
        found = look_up(trained.backbone, query, known, files, k, read)
    for neighbour in found:
        print(f"{neighbour.cosine:.3f}  {one_line(neighbour.file)}")
    names = ["query", *(f"{n.cosine:.3f}" for n in found)]
    title = plots.plain(f"Nearest to {query.name} in {data or known.folder}, by cosine")
    _draw([query, *(n.file for n in found)], names, size, read, 5, title, out)


def _check(query, data, index, duplicates: bool, threshold: float, k: int) -> None:
    """Raises UserError for arguments that do not go together."""
    if k < 1:
        raise UserError("--k must be at least 1")
    if not -1 <= threshold <= 1:
        raise UserError(f"--threshold is {threshold:g}; a cosine is from -1 to 1")
    if duplicates and query is not None:
        raise UserError("--duplicates compares all pictures with each other; leave out the query")
    if duplicates and k != NEAREST:
        raise UserError("--k is for a query; --duplicates lists all pairs above --threshold")
    if query is not None and threshold != LIKELY:
        raise UserError("--threshold is for --duplicates; a query has its --k nearest, however far")
    if not duplicates and query is None:
        raise UserError("give the picture to look for, or --duplicates")
    if query is not None and not query.is_file():
        raise UserError(f"no picture at {query}")
    if data is None and index is None:
        raise UserError("give --data, the folder to search, or --index, a file of its features")
    if data is not None and not data.is_dir():
        raise UserError(f"{data} is not a folder; --data takes the folder to search")


def _files(
    known: Index | None, data: Path | None, query: Path | None
) -> tuple[Index | None, list[Path]]:
    """The pictures to compare, and what an index knows of those.

    Raises:
        UserError: if there is none, or it is the query alone.
    """
    if known is not None:
        return as_they_are(known, [(data or known.folder) / name for name in known.names], data)
    files = list_pictures(data)
    if query is None and len(files) < 2:
        raise UserError(f"no two pictures in {data} to compare")
    if query is not None and all(same_file(file, query) for file in files):
        raise UserError(f"no pictures in {data} to compare {query.name} with")
    return None, files


def _reading(
    kept: Reading, asked: AskedSquares, known: Index | None, files: list[Path], query: Path | None
) -> Reading:
    """How pictures are read: in one range, which is said.

    Raises:
        UserError: if those of the index were read otherwise.
    """
    read, queries = asked.over(kept), [] if query is None else [query]
    if known is None:
        return told(files, read, queries)
    if query is not None and kept.range is None:  # the index's have 8 bits, not so the query
        kept = replace(kept, range=read.range)
    if read != kept:
        raise UserError(f"{known.path} has features of pictures that were read otherwise")
    return told(queries, read)


def _duplicates(
    trained: Trained,
    known: Index | None,
    files: list[Path],
    size: int,
    read: Reading,
    threshold: float,
    out: Path,
) -> None:
    """Print the pairs, and draw the likest."""
    if known is None:
        features, files = embed_files(trained.backbone, files, size, read, "features")
    else:
        features = known.features
    pairs = find_copies(features, threshold)
    for pair in pairs:
        a, b = one_line(files[pair.first]), one_line(files[pair.second])
        print(f"{pair.cosine:.3f}  {a}  {b}")
    more = ", the likest of more" if len(pairs) == AT_MOST else ""
    print(f"{len(pairs):,} pairs among {len(files):,} pictures{more}; cosine {threshold:g} or more")
    if not pairs:
        print("no sheet was written" + f"; {out} is of an earlier call" * out.exists())
    else:
        shown = pairs[:DRAWN]
        both = [files[row] for pair in shown for row in (pair.first, pair.second)]
        names = [f"{pair.cosine:.3f}" for pair in shown for _ in range(2)]
        _draw(both, names, size, read, 4, "Near-copies, two by two", out)


def _draw(
    files: Sequence[Path],
    names: Sequence[str],
    size: int,
    read: Reading,
    columns: int,
    title: str,
    out: Path,
) -> None:
    """A contact sheet; a picture that is no longer there is gray."""
    images, gone = [], 0
    for file in files:
        try:
            images.append(decode_square(file, size, read))
        except UnreadablePicture:
            gone += 1
            images.append(torch.full((3, size, size), 128, dtype=torch.uint8))
    order = torch.arange(len(images))
    sheet = plots.contact_sheet(torch.stack(images), order, names, columns=columns, title=title)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        plots.save(sheet, out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    where = f"; {gone} of its pictures have moved, --data tells where they are" if gone else ""
    print(f"wrote {out}{where}")
