"""The file of features that ``embed`` writes: in parts while it is made, then whole, then read.

A ``.npz`` has ``names`` (N,), paths below the folder; ``states`` (N, 2), their bytes and times;
``cls`` (N, D) and what else was asked for; and ``about``, a JSON text that says of which weights
and pictures, and how those were read.
"""

import csv
import json
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from minidino.config import Reading
from minidino.engine import distributed
from minidino.errors import UserError
from minidino.run.files import held, remove_partial, replacing, write_text

PART_SECONDS, PART_BYTES = 10.0, 64 * 2**20  # what a crash may cost; what may wait in memory


@dataclass(frozen=True)
class Embedded:
    """What ``embed`` has written."""

    out: Path
    pictures: int
    left_out: int  # files that could not be read
    shapes: dict[str, tuple[int, ...]]  # of one picture


class Parts:
    """The features so far, in a folder beside the file that they will become.

    A part is a ``.npz`` of pictures that follow one another, called by the first and the last.

    Args:
        out: the file.
        about: what the features depend on, and what the file will tell of itself.
        pictures: a digest of the pictures.
    """

    def __init__(self, out: Path, about: dict, pictures: str):
        self.out, self.about = out, about
        self.settings = about | {"pictures": pictures, "kind": out.suffix}
        self.folder = out.with_name(f"{out.name}.parts")
        self.waiting: list[tuple[Tensor, Tensor, dict[str, Tensor]]] = []
        self.bytes, self.since = 0, time.monotonic()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """A context in which no other command writes to the folder; it goes when it is of no use.

        Raises:
            UserError: if one does, or if the folder is somebody else's.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        there = {file.name for file in self.folder.iterdir() if not file.name.startswith(".")}
        if there and "settings.json" not in there:
            raise UserError(f"{self.folder} is there, and not of an index; choose another --out")
        mine = False
        try:
            with held(self.folder) as mine:
                if not mine:
                    raise UserError(f"another process writes {self.out}; wait for it, or stop it")
                yield
        finally:
            if mine and (self.out.exists() or not self.done()):
                shutil.rmtree(self.folder, ignore_errors=True)

    def begin(self) -> list[tuple[int, int]]:
        """First and last of the runs of pictures that are done.

        Raises:
            UserError: if they were computed with something else.
        """
        file, done = self.folder / "settings.json", self.done()
        remove_partial(self.folder)
        if not done:
            write_text(file, json.dumps(self.settings, indent=2) + "\n")
            return []
        try:
            begun = json.loads(file.read_text(encoding="utf-8"))
            other = [key for key, value in self.settings.items() if begun.get(key) != value]
        except (OSError, ValueError, AttributeError):
            other = ["settings"]
        if other:
            raise UserError(
                f"{self.folder} was begun with other {' and '.join(other)}; remove it to begin "
                "anew, or choose another --out"
            )
        distributed.note(f"going on: {self.ready():,} pictures are done")
        return done

    def done(self) -> list[tuple[int, int]]:
        runs = (file.stem.split("-") for file in self.folder.glob("*-*.npz"))
        return sorted((int(first), int(last)) for first, last in runs)

    def ready(self) -> int:
        """How many pictures are done."""
        return sum(last - first + 1 for first, last in self.done())

    def add(self, index: Tensor, good: Tensor, found: dict[str, Tensor]) -> None:
        """A batch: its pictures' numbers, those that could be read, and their features."""
        if self.waiting and int(index[0]) != int(self.waiting[-1][0][-1]) + 1:
            self.flush()
        self.waiting.append((index, good, found))
        self.bytes += sum(t.nbytes for t in found.values())
        if self.bytes > PART_BYTES or time.monotonic() - self.since > PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self.waiting:
            first, last = int(self.waiting[0][0][0]), int(self.waiting[-1][0][-1])
            some = [found for _, _, found in self.waiting if found]
            keys = some[0] if some else ()
            arrays = {key: torch.cat([found[key] for found in some]).numpy() for key in keys}
            arrays["good"] = torch.cat([good for _, good, _ in self.waiting]).numpy()
            path = self.folder / f"{first:09d}-{last:09d}.npz"
            with replacing(path) as partial, partial.open("wb") as file:
                np.savez(file, **arrays)
        self.waiting, self.bytes, self.since = [], 0, time.monotonic()

    def parts(self) -> Iterator[dict[str, np.ndarray]]:
        for first, last in self.done():
            with np.load(self.folder / f"{first:09d}-{last:09d}.npz") as part:
                yield dict(part)

    def join(self, names: list[str], states: np.ndarray) -> Embedded:
        """All parts as one file; ``states``, see ``state_of``, of each picture.

        Raises:
            UserError: if no picture could be read.
        """
        kept, shapes, dtypes = [], {}, {}
        for part in self.parts():
            kept.append(part.pop("good"))
            shapes |= {key: a.shape[1:] for key, a in part.items()}
            dtypes |= {key: a.dtype for key, a in part.items()}
        good = np.concatenate(kept)
        if not len(good):
            raise UserError(f"none of the {len(names)} pictures could be read")
        names, left_out = [names[i] for i in good], len(names) - len(good)
        with replacing(self.out) as partial:
            if self.out.suffix == ".csv":
                self._write_csv(partial, names, shapes)
            else:
                told = {"names": np.array(names), "states": states[good]}
                self._write_npz(partial, told, shapes, dtypes, left_out)
        return Embedded(self.out, len(names), left_out, shapes)

    def _write_npz(self, path: Path, told: dict, shapes, dtypes, left_out: int) -> None:
        """As ``np.savez`` writes it, a part in memory at a time."""
        about = json.dumps(self.about | {"left_out": left_out})
        with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
            for key, array in {"about": np.array(about), **told}.items():
                with archive.open(f"{key}.npy", "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            for key, shape in shapes.items():
                descr = np.lib.format.dtype_to_descr(dtypes[key])
                header = {
                    "descr": descr,
                    "fortran_order": False,
                    "shape": (len(told["names"]), *shape),
                }
                with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array_header_1_0(file, header)
                    for part in self.parts():
                        if key in part:
                            file.write(part[key].tobytes())

    def _write_csv(self, path: Path, names: list[str], shapes) -> None:
        """``name``, then ``cls_0`` ..., then for each block asked for ``block-4_0`` ..."""
        (width,) = shapes["cls"]
        columns = [f"cls_{i}" for i in range(width)]
        deep = shapes.get("layers", (0,))[0]
        columns += [f"block-{deep - b}_{i}" for b in range(deep) for i in range(width)]
        rest = iter(names)
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            table = csv.writer(file)
            table.writerow(["name", *columns])
            for part in self.parts():
                n = len(part["good"])
                rows = [part[key].reshape(n, -1) for key in ("cls", "layers") if key in part]
                for row in np.concatenate(rows, axis=1) if rows else ():
                    table.writerow([next(rest), *(f"{v:.9g}" for v in row.tolist())])


# ---------------------------------------------------------------- read again


@dataclass(frozen=True)
class Index:
    """Features of pictures, and what a query must have in common with them."""

    path: Path
    names: list[str]  # paths below the folder
    features: Tensor  # (N, D), the final [CLS]
    checkpoint: str  # the weights, as they were given
    weights: str  # their fingerprint
    folder: Path
    size: int
    reading: Reading
    states: np.ndarray | None  # (N, 2), see ``state_of``; older files have none


def state_of(file: Path) -> tuple[int, int]:
    """Bytes and time of a picture, by which a change is seen; -1 and -1 if it is not there."""
    try:
        stat = file.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def load_index(path: Path) -> Index:
    """Read what ``embed`` wrote to a ``.npz``; patch tokens and other layers are left there.

    Raises:
        UserError: if it is not such a file.
    """
    try:
        with np.load(path) as file:
            about, names, features = json.loads(str(file["about"])), file["names"], file["cls"]
            states = file.get("states")
        known = {key: about[key] for key in ("checkpoint", "weights", "size")}
        folder, reading = Path(about["folder"]), Reading(**about["reading"])
        found = Index(path, names.tolist(), torch.from_numpy(features), **known, folder=folder,
                      reading=reading, states=states)  # fmt: skip
        if names.ndim != 1 or features.ndim != 2 or len(names) != len(features):
            raise ValueError
        if states is not None and states.shape != (len(names), 2):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        raise UserError(f"{path} is no file of features that minidino embed wrote (.npz)") from None
    return found
