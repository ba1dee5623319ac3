"""Pictures to train on and to evaluate with, always as uint8 batches (B, 3, S, S).

A *spec* names the data: ``things`` (drawn here, see ``things.py``), a torchvision data set
(downloaded on first use), or a folder. What fits in memory is decoded once and kept on the
training device; a larger folder is streamed, decoded by worker processes. Both kinds hand
out the same thing, so the rest of the package does not know which it got.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets
from tqdm import tqdm

from minidino import distributed, workers
from minidino.errors import UserError, one_line
from minidino.pictures import UnreadablePicture, decode_square, square, to_tensor
from minidino.prefetch import to_device
from minidino.things import CLASSES, ThingsOnStuff

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"}
TORCHVISION = ("cifar10", "stl10", "imagenette", "pets")
IN_MEMORY_BYTES = 4 * 2**30  # a folder whose decoded pictures need more is streamed
IMAGENETTE = {"train": 9469, "val": 3925}  # pictures
THINGS_IMAGES = {"train": 10_000, "val": 1_000, "test": 2_000}
# Seeds no training run is given by hand: choices are made on "val", results told of "test".
THINGS_SEEDS = {"val": 900_001, "test": 900_005}


@dataclass
class Pictures:
    """Decoded images in memory.

    Attributes:
        images: uint8 (N, 3, S, S).
        labels: int64 (N,), or None.
        classes: what the labels mean.
        masks: bool (N, S, S), true on the foreground, or None.
        skipped: files that could not be read.
    """

    images: Tensor
    labels: Tensor | None = None
    classes: Sequence[str] = ()
    masks: Tensor | None = None
    skipped: list[Path] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> "Pictures":
        return replace(self, images=self.images.to(device))

    def take(self, index: Tensor | slice) -> "Pictures":
        """The chosen images, with their labels and masks."""
        labels, masks = (None if t is None else t[index] for t in (self.labels, self.masks))
        return replace(self, images=self.images[index], labels=labels, masks=masks)

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """One uint8 batch (B, 3, S, S) for each tensor of indices."""
        for index in indices:
            yield self.images[index.to(self.images.device, non_blocking=True)]

    def close(self) -> None:
        """End what reads pictures: nothing, they are all here."""


class StreamedFolder(Dataset):
    """A folder too large for memory: files are decoded by workers as batches need them.

    A file that cannot be decoded is replaced by the next one that can, and listed in
    ``skipped``.
    """

    def __init__(
        self,
        files: list[Path],
        labels: Tensor | None,
        classes: Sequence[str],
        size: int,
        workers: int | None = None,
    ):
        self.files, self.labels, self.classes, self.size = files, labels, classes, size
        self.masks = None
        self.skipped: list[Path] = []
        self.device = torch.device("cpu")
        self.workers = _cores() if workers is None else workers
        self.none_left = False  # in a worker: it has tried them all
        self.reading: tuple[Iterator, list[BaseProcess]] | None = None

    def __len__(self) -> int:
        return len(self.files)

    def to(self, device: torch.device | str) -> "StreamedFolder":
        self.device = torch.device(device)
        return self

    def __getitem__(self, i: int) -> tuple[Tensor | None, list[int]]:
        """The i-th picture and the positions of files that had to be passed over for it.

        None if that is all of them. (An error would come out of a worker as a long report.)
        """
        bad: list[int] = []
        for step in range(0 if self.none_left else len(self.files)):
            at = (i + step) % len(self.files)
            try:
                return decode_square(self.files[at], self.size), bad
            except UnreadablePicture:
                bad.append(at)
        self.none_left = True
        return None, []

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """One uint8 batch (B, 3, S, S) on the device for each tensor of indices."""
        return to_device(self._decoded(indices), self.device)

    def _decoded(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """The batches as the workers hand them over, on the CPU (pinned for a GPU).

        Raises:
            UserError: if a worker has died or hangs, or no picture can be read.
        """
        loader = DataLoader(
            self,
            batch_sampler=(index.tolist() for index in indices),  # not all of them at once
            num_workers=self.workers,
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
            timeout=workers.POLL if self.workers else 0,
            worker_init_fn=workers.leave_the_group,
        )
        # Kept here, so that a stopped run is saved first: when it goes, its workers are waited for.
        self.close()  # spawned workers are sent a copy of the folder
        self.reading = workers.begin(loader)
        for images, bad in workers.patiently(self.reading[0]):
            if images is None:
                raise UserError(
                    f"none of the {len(self.files)} pictures could be read; see whether the disk "
                    "or network they are on still answers"
                )
            for file in (self.files[i] for i in bad):
                if file not in self.skipped:
                    self.skipped.append(file)
                    count = f"({len(self.skipped)} so far)"
                    tqdm.write(f"skipped unreadable picture {one_line(file)} {count}")
            yield images

    def close(self) -> None:
        """End the processes that read pictures, whatever they are waiting for."""
        for process in self.reading[1] if self.reading else ():
            process.kill()
        self.reading = None


def _collate(items: list[tuple[Tensor | None, list[int]]]) -> tuple[Tensor | None, list[int]]:
    images = [image for image, _ in items]
    whole = None if any(image is None for image in images) else torch.stack(images)
    return whole, [i for _, bad in items for i in bad]


# ---------------------------------------------------------------- what a spec means


def load_data(
    spec: str,
    split: str,
    size: int,
    *,
    max_images: int | None = None,
    seed: int = 0,
    root: Path | None = None,
) -> Pictures | StreamedFolder:
    """The images that a spec names.

    Args:
        spec: ``things`` or ``things-telling``, a torchvision name (``cifar10``, ``stl10``,
            ``imagenette``, ``pets``), or a folder: with ``train`` and ``val`` inside, or a
            folder per class, or just pictures.
        split: ``train``, ``labelled`` (the training images that have labels, for k-NN and
            probes), ``val`` (to make choices with) or ``test`` (to report). Data sets with
            only one held-out part give it for both.
        size: side of the images in pixels.
        max_images: keep so many: the first drawn things, or an even spread of a data set.
        seed: of the training images of ``things``.
        root: where downloads are kept; by default $MINIDINO_DATA, or ~/.cache/minidino.

    Raises:
        UserError: if the spec names nothing usable, in one line.
    """
    if split not in ("train", "labelled", "val", "test"):
        raise UserError(f'no split "{split}"; there are train, labelled, val and test')
    if max_images is not None and max_images < 1:
        raise UserError(f"max_images is {max_images}; it must be at least 1")
    if spec in ("things", "things-telling"):
        stuff = "telling" if spec == "things-telling" else "noise"
        kind = "train" if split == "labelled" else split
        n = max_images or THINGS_IMAGES[kind]
        if size < 8:
            raise UserError(f"images of {size} px are too small for {spec}; 8 px is the least")
        if seed < 0:
            raise UserError(f"seed is {seed}; it must be at least 0")
        _check_memory(n, size, bytes_per_pixel=4)  # a mask, too
        drawn = ThingsOnStuff(n, size, THINGS_SEEDS.get(kind, seed), stuff)
        return Pictures(drawn.images, drawn.labels, CLASSES, drawn.masks)
    if spec in TORCHVISION:
        return _from_torchvision(spec, split, size, max_images, root)
    folder = Path(os.path.expanduser(spec))
    if not spec or not folder.exists():
        names = ", ".join(("things", "things-telling", *TORCHVISION))
        raise UserError(f'no data "{spec}": it is neither a folder nor one of {names}')
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; give the folder it is in")
    return _from_folder(folder, split, size, max_images)


def _memory() -> int:
    """Bytes of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _check_memory(n: int, size: int, bytes_per_pixel: int = 3) -> None:
    """Raises UserError if so many images cannot be held by this machine."""
    if n * size * size * bytes_per_pixel > _memory():
        raise UserError(f"{n:,} images of {size} px do not fit in memory; ask for fewer")


def _spread(n: int, max_images: int | None) -> list[int]:
    """Positions of at most ``max_images`` items, evenly spread, so every class keeps its share."""
    if max_images is None or max_images >= n:
        return list(range(n))
    return np.linspace(0, n, max_images, endpoint=False).astype(int).tolist()


def _cores() -> int:
    """How many threads or workers decode for this process."""
    return min(max((os.cpu_count() or 1) // distributed.local_world_size(), 1), 16)


def _decode_all(decode, n: int, what: str) -> list:
    """decode(0), ..., decode(n - 1), by threads (PIL works outside Python's lock), with a bar."""
    with ThreadPoolExecutor(_cores()) as pool:
        bar = tqdm(
            pool.map(decode, range(n)),
            total=n,
            desc=what,
            unit="img",
            disable=n < 2000 or not distributed.is_main(),
            leave=False,
        )
        return list(bar)


# ---------------------------------------------------------------- folders


def list_pictures(folder: Path) -> list[Path]:
    """Every picture below a folder, by name; hidden files are left out."""
    return sorted(_pictures(folder))


def _pictures(folder: Path) -> Iterator[Path]:
    files = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return (f for f in files if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))


def _list_folder(folder: Path, split: str) -> tuple[list[Path], list[int] | None, list[str]]:
    """Files, labels and class names of one split.

    A class has the same number in all splits: its place among the folders in ``train``. There are
    no labels (None) in a flat folder, nor where a folder is of no class in ``train``.
    """
    top, has_splits = folder, (folder / "train").is_dir()
    if has_splits:
        held_out = ["test", "val", "valid"] if split == "test" else ["val", "valid", "test"]
        wanted = ["train"] if split in ("train", "labelled") else held_out
        found = [folder / name for name in wanted if (folder / name).is_dir()]
        if not found:
            raise UserError(f"{folder} has a train folder but no val or test folder")
        folder = found[0]
    classes = _classes(folder)
    if not classes:
        return list_pictures(folder), None, []
    by_class = {name: list_pictures(folder / name) for name in classes}
    if has_splits and (trained := _classes(top / "train")):
        if not set(classes) <= set(trained):
            return list_pictures(folder), None, []
        classes = trained
    number = {name: i for i, name in enumerate(classes)}
    files = [file for some in by_class.values() for file in some]
    labels = [number[name] for name, some in by_class.items() for _ in some]
    if not has_splits:
        # No held-out part: every fifth picture is one, the same each time.
        keep = [i for i in range(len(files)) if (i % 5 == 4) == (split in ("val", "test"))]
        files, labels = [files[i] for i in keep], [labels[i] for i in keep]
    return files, labels, classes


def _classes(folder: Path) -> list[str]:
    """The names of the subfolders that hold pictures."""
    try:
        subfolders = [f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(".")]
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from None
    return sorted(f.name for f in subfolders if any(_pictures(f)))


def _from_folder(folder: Path, split: str, size: int, max_images: int | None):
    files, labels, classes = _list_folder(folder, split)
    if not files:
        raise UserError(f"no pictures in {folder} (looked for {' '.join(sorted(SUFFIXES))})")
    keep = _spread(len(files), max_images)
    files = [files[i] for i in keep]
    labels = None if labels is None else torch.tensor([labels[i] for i in keep])
    if len(files) * 3 * size * size > IN_MEMORY_BYTES:
        return StreamedFolder(files, labels, classes, size)

    images = torch.empty(len(files), 3, size, size, dtype=torch.uint8)

    def decode(i: int) -> bool:
        try:
            images[i] = decode_square(files[i], size)
        except UnreadablePicture:
            return False
        return True

    readable = _decode_all(decode, len(files), f"reading {folder.name}")
    skipped = [f for f, could in zip(files, readable, strict=True) if not could]
    for file in skipped[:5]:
        distributed.note(f"skipped unreadable picture {one_line(file)}")
    if len(skipped) > 5:
        distributed.note(f"skipped {len(skipped)} unreadable pictures in all")
    if len(skipped) == len(files):
        raise UserError(f"none of the {len(files)} pictures in {folder} could be read")
    pictures = Pictures(images, labels, classes, skipped=skipped)
    return pictures.take(torch.tensor(readable)) if skipped else pictures


# ---------------------------------------------------------------- torchvision


def data_root(root: Path | None = None) -> Path:
    """Where downloaded data sets live."""
    return Path(root or os.environ.get("MINIDINO_DATA") or Path.home() / ".cache" / "minidino")


def _torchvision_set(name: str, split: str, where: Path) -> Dataset:
    """One split of a torchvision data set, downloaded if it is not there."""
    training = split in ("train", "labelled")
    where.mkdir(parents=True, exist_ok=True)
    if name == "cifar10":
        return datasets.CIFAR10(where, train=training, download=True)
    if name == "stl10":
        part = {"train": "train+unlabeled", "labelled": "train"}.get(split, "test")
        return datasets.STL10(where, part, download=True)
    if name == "imagenette":
        part = "train" if training else "val"
        there = (where / "imagenette2-160").is_dir()  # a second download is refused
        found = datasets.Imagenette(where, part, "160px", download=not there)
        if len(found) < IMAGENETTE[part]:
            raise UserError(
                f"{where / 'imagenette2-160'} has {len(found):,} of {IMAGENETTE[part]:,} pictures "
                f"for {part}: it was not unpacked to its end. Remove the folder and start again"
            )
        return found
    part = "trainval" if training else "test"
    return datasets.OxfordIIITPet(where, part, ["category", "segmentation"], download=True)


def _from_torchvision(
    name: str, split: str, size: int, max_images: int | None, root: Path | None
) -> Pictures:
    where = data_root(root)
    try:
        with distributed.one_downloads():
            dataset = _torchvision_set(name, split, where)
    except UserError:
        raise
    except Exception as error:
        # torchvision passes on whatever urllib, tarfile and its checks raise.
        raise UserError(
            f"could not get {name} into {where}: {error}. "
            f"Offline, put the files of torchvision.datasets there, or use --data things"
        ) from None

    keep = _spread(len(dataset), max_images)
    _check_memory(len(keep), size)
    images = torch.empty(len(keep), 3, size, size, dtype=torch.uint8)

    def decode(i: int):
        picture, target = dataset[keep[i]]
        images[i] = to_tensor(square(picture.convert("RGB"), size))
        if name != "pets":
            return int(target), None
        # A trimap marks the animal 1, the background 2 and the undecided edge 3.
        trimap = ImageOps.fit(target[1], (size, size), Image.Resampling.NEAREST)
        return int(target[0]), torch.from_numpy(np.array(trimap) == 1)

    labels, masks = zip(*_decode_all(decode, len(keep), f"reading {name}"), strict=True)
    return Pictures(
        images,
        torch.tensor(labels),
        getattr(dataset, "classes", ()),
        torch.stack(masks) if name == "pets" else None,
    )
