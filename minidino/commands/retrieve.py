"""``minidino retrieve``."""

from pathlib import Path
from typing import Annotated

import torch
import tyro

from minidino import plots
from minidino.commands.arguments import NOT_ASKED, UNSAID, Checkpoint, ReadingArgument, Weights
from minidino.data.folders import told
from minidino.data.listing import list_pictures
from minidino.data.pictures import decode_square
from minidino.engine.machine import pick_device
from minidino.errors import UserError, one_line
from minidino.using.retrieve import find_neighbours, same_file


def retrieve_command(
    checkpoint: Checkpoint,
    query: Annotated[Path, tyro.conf.Positional],
    data: Path,
    k: int = 9,
    out: Path | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
) -> None:
    """Find the pictures of a folder that are most like a given one.

    Prints their cosines with the query and writes a contact sheet, the query first.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        query: The picture to look for.
        data: Folder of pictures, searched at any depth; the query itself is not counted.
        k: How many to find.
        out: The sheet (default: retrieve.png beside the checkpoint).
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if k < 1:
        raise UserError("--k must be at least 1")
    if out is not None:
        plots.check_target(out)
    if not query.is_file():
        raise UserError(f"no picture at {query}")
    if not data.is_dir():
        raise UserError(f"{data} is not a folder; --data takes the folder to search")
    files = list_pictures(data)
    if all(same_file(file, query) for file in files):
        raise UserError(f"no pictures in {data} to compare {query.name} with")
    if out is not None and any(same_file(out, file) for file in (query, *files)):
        raise UserError(f"--out {out} is one of the pictures; give it another name")
    trained, where = weights.load(checkpoint), pick_device(device)
    size = trained.eval_size
    read = told(files, reading.over(trained.reading))
    found = find_neighbours(trained.backbone.to(where), query, files, size, k, read)
    for neighbour in found:
        print(f"{neighbour.cosine:.3f}  {one_line(neighbour.file)}")
    images = torch.stack([decode_square(f, size, read) for f in (query, *(n.file for n in found))])
    names = ["query", *(f"{n.cosine:.3f}" for n in found)]
    title = one_line(f"Nearest to {query.name} in {data}, by cosine")
    sheet = plots.contact_sheet(images, torch.arange(len(images)), names, columns=5, title=title)
    out = out or trained.folder / "retrieve.png"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        plots.save(sheet, out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    print(f"wrote {out}")
