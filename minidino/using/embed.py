"""Features of a folder of pictures in one file: computed once, asked as often as one likes.

Pictures are streamed. Every few seconds what is ready goes to a folder beside the file, so memory
does not grow with the number of pictures, and a stop costs nothing, a crash seconds: the same
command goes on. At the end the parts become one file, in the order of the pictures' names.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from minidino.config import USUAL, Reading
from minidino.convnet import ConvNet
from minidino.data.folders import told
from minidino.data.streamed import StreamedFolder
from minidino.engine import distributed
from minidino.engine.machine import pick_device
from minidino.errors import UserError
from minidino.evaluate import images_at_once
from minidino.pixels import normalize
from minidino.run.interrupts import RunStopped, StopRequest, stop_request
from minidino.using.index import Embedded, Parts, state_of
from minidino.using.segment import pictures_of
from minidino.weights.file import Trained, fingerprint

FEW_PICTURES = 200  # not worth the start of worker processes


# ---------------------------------------------------------------- of pictures as they come


@torch.no_grad()
def embed_images(
    model: nn.Module, images: Tensor, layers: int = 0, patches: bool = False
) -> dict[str, Tensor]:
    """What is kept of each picture.

    Args:
        model: in eval mode.
        images: uint8 (B, 3, S, S).
        layers: also the [CLS] tokens of so many last blocks.
        patches: also the patch tokens of the last block.

    Returns:
        ``cls`` (B, D), after the final norm, float32; ``layers`` (B, layers, D), the last block's
        last; ``patches`` (B, h, w, D) in half precision, as they are many. All on the CPU.
    """
    x = normalize(images.to(next(model.parameters()).device))
    if not layers and not patches:
        return {"cls": model(x).float().cpu()}
    tokens = model.get_intermediate_layers(x, max(layers, 1))
    found = {"cls": tokens[-1][:, 0]}
    if layers:
        found["layers"] = torch.stack([t[:, 0] for t in tokens], dim=1)
    found = {name: t.float().cpu() for name, t in found.items()}
    if patches:
        side = images.shape[-1] // model.patch_size
        places = tokens[-1][:, 1:]
        h = side if side**2 == places.shape[1] else round(places.shape[1] ** 0.5)  # of a ResNet
        found["patches"] = places.unflatten(1, (h, -1)).half().cpu()
    return found


def readable(
    folder: StreamedFolder, indices: Sequence[Tensor]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(indices, those of pictures that could be read, their images) for each of ``indices``."""
    for index, images in zip(indices, folder.batches(indices), strict=True):
        skipped = set(folder.skipped)
        good = torch.tensor([folder.files[i] not in skipped for i in index.tolist()])
        yield index, index[good], images[good.to(images.device)]


def embed_files(
    model: nn.Module,
    files: Sequence[Path],
    size: int,
    reading: Reading = USUAL,
    progress: str = "",
) -> tuple[Tensor, list[Path]]:
    """The final [CLS] of many pictures, held in memory; files that are none are named.

    Args:
        model: in eval mode, where it is to be computed.
        size: side in pixels that pictures are brought to.
        progress: a title, if a bar is wanted.

    Returns:
        features (N, D) of the pictures that could be read, and their files.

    Raises:
        UserError: if none could be read.
    """
    folder = streamed(list(files), size, reading, model)
    indices = torch.arange(len(files)).split(images_at_once(model, size, size))
    features, kept = [], []
    try:
        with tqdm(total=len(files), desc=progress, disable=not progress, leave=False) as bar:
            for index, good, images in readable(folder, indices):
                bar.update(len(index))
                if len(good):
                    features.append(embed_images(model, images)["cls"])
                    kept += [files[i] for i in good.tolist()]
    finally:
        folder.close()
    return torch.cat(features), kept


def streamed(
    files: list[Path], size: int, reading: Reading, model: nn.Module, workers: int | None = None
) -> StreamedFolder:
    """The pictures as a folder, read by as many processes as their number is worth."""
    if workers is None and len(files) < FEW_PICTURES:
        workers = 0
    folder = StreamedFolder(files, None, (), size, reading, workers)
    return folder.to(next(model.parameters()).device)


# ---------------------------------------------------------------- to a file


@distributed.together
def embed(
    trained: Trained,
    data: Path,
    out: Path,
    *,
    layers: int = 0,
    patches: bool = False,
    size: int | None = None,
    device: str | None = None,
    reading: Reading | None = None,
    workers: int | None = None,
) -> Embedded:
    """Write the features of every picture below a folder; in several processes under ``torchrun``.

    Args:
        trained: as ``load_trained`` gives it.
        data: a picture, or a folder of any depth.
        out: ``.npz``, as ``index.py`` says; or ``.csv``, a row a picture.
        layers, patches: see ``embed_images``.
        size: side in pixels that pictures are brought to; by default the weights' own.
        device: by default the fastest that is here.
        reading: how pictures are read; by default as those of the training.
        workers: processes that decode; by default one a core.

    Raises:
        UserError: if there are no pictures, or ``out`` is there already, cannot be written, or
            was begun with something else.
        RunStopped: after Ctrl-C or SIGTERM; the same call goes on.
    """
    data, out = Path(os.path.expanduser(data)), Path(out)
    _check(trained, out, layers, patches, workers)
    side, where = trained.side(size), pick_device(device)
    files, root = pictures_of(data), data if data.is_dir() else data.parent
    read = told(files, trained.reading if reading is None else reading)
    names = [file.relative_to(root).as_posix() for file in files]
    about = {
        "checkpoint": trained.source,
        "weights": fingerprint(trained.backbone),
        "folder": os.path.abspath(root),
        "size": side,
        "reading": asdict(read),
        "layers": layers,
        "patches": patches,
    }
    model, main = trained.backbone.to(where), distributed.is_main()
    states = np.array([state_of(file) for file in files], dtype=np.int64)
    parts = Parts(out, about, _digest(names, states))
    with stop_request() as stop, parts.claimed() if main else nullcontext():
        done = distributed.from_main(parts.begin() if main else None)
        distributed.check_same(pictures=parts.settings["pictures"])
        folder = streamed(files, side, read, model, workers)
        indices = _my_share(done, len(files), images_at_once(model, side, side))
        try:
            _compute(model, folder, indices, parts, stop, layers, patches)
        finally:
            folder.close()
        if stop.agreed():
            state = f"stopped by {stop.by} after {parts.ready():,} of {len(files):,} pictures"
            raise RunStopped(f"{state}; the same command goes on", stop.number)
        return distributed.from_main(parts.join(names, states) if main else None)


def _check(trained: Trained, out: Path, layers: int, patches: bool, workers: int | None) -> None:
    """Raises UserError for a file that cannot be written, and for numbers that cannot be."""
    if workers is not None and workers < 0:
        raise UserError(f"--workers is {workers}; it must be at least 0")
    if out.suffix not in (".npz", ".csv"):
        raise UserError(f"--out {out} must end in .npz or .csv")
    if out.exists():
        raise UserError(f"{out} is there and is kept; choose another --out")
    if patches and out.suffix == ".csv":
        raise UserError("patch tokens are too many for .csv; give an --out that ends in .npz")
    depth = 1 if isinstance(trained.backbone, ConvNet) else trained.backbone.depth
    if not 0 <= layers <= depth:
        raise UserError(f"--layers is {layers}; the network has {depth}")


def _digest(names: list[str], states: np.ndarray) -> str:
    """A digest that changes with any picture's name, size or time."""
    digest = hashlib.sha256(states.tobytes())
    for name in names:
        digest.update(ascii(name).encode())
    return digest.hexdigest()


def _my_share(done: list[tuple[int, int]], n: int, at_once: int) -> list[Tensor]:
    """This process's batches of what is to be done: of pictures that follow one another."""
    begins = [0, *(last + 1 for _, last in done)]
    ends = [*(first for first, _ in done), n]
    left = sum(e - b for b, e in zip(begins, ends, strict=True))
    rank, world = distributed.rank(), distributed.world_size()
    mine = left * rank // world, left * (rank + 1) // world
    batches, seen = [], 0
    for begin, end in zip(begins, ends, strict=True):
        low, high = (min(max(begin + m - seen, begin), end) for m in mine)
        seen += end - begin
        if low < high:
            batches += torch.arange(low, high).split(at_once)
    return batches


def _compute(
    model: nn.Module,
    folder: StreamedFolder,
    indices: list[Tensor],
    parts: Parts,
    stop: StopRequest,
    layers: int,
    patches: bool,
) -> None:
    """Every batch's features to a part; whatever ends this, what is ready is written."""
    # All processes must ask as often whether to stop.
    idle = distributed.largest(len(indices)) - len(indices)
    total, main = sum(map(len, indices)), distributed.is_main()
    before = len(folder.files) - total if distributed.world_size() == 1 else 0
    try:
        with tqdm(total=before + total, initial=before, unit="img", desc="features",
                  disable=not main) as bar:  # fmt: skip
            for batch in stop.until_asked(chain(readable(folder, indices), repeat(None, idle))):
                if batch is None:
                    continue
                index, good, images = batch
                found = embed_images(model, images, layers, patches) if len(good) else {}
                parts.add(index, good, found)
                bar.update(len(index))
    finally:
        parts.flush()
