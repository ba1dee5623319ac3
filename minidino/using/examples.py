"""Pictures to look at with their true masks, from wherever they come, a few in memory at a time."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from minidino.config import USUAL, Reading
from minidino.data import NAMES, load_data
from minidino.data.folders import told
from minidino.data.listing import list_pictures
from minidino.data.pictures import UnreadablePicture, open_picture, spread, to_tensor
from minidino.engine.machine import available_ram
from minidino.errors import UserError, one_line
from minidino.evaluate import bytes_per_image
from minidino.using.masks import find_masks, load_mask, without_masks

PICTURE_BYTES = 64 * 2**20  # of pictures and masks that wait for their turn
MOST_OF_A_SET = 2000  # test images


@dataclass
class Example:
    """One picture, at a size that patches divide, and its true mask if there is one."""

    name: str
    image: Tensor  # uint8 (3, H, W)
    mask: Tensor | None  # bool, at any resolution of the same shape
    valid: Tensor | None = None  # bool, as the mask: the pixels that count; None for all
    how: str = ""  # the mask was read


def fitted(size: tuple[int, int], short_side: int, patch: int) -> tuple[int, int]:
    """Width and height brought to about ``short_side``, as nearly as whole patches allow."""
    scale = short_side / min(size)
    width, height = (max(patch, round(side * scale / patch) * patch) for side in size)
    return width, height


def fit_to_patches(picture: Image.Image, short_side: int, patch: int) -> Image.Image:
    """Resize to what is ``fitted``."""
    return picture.resize(fitted(picture.size, short_side, patch), Image.Resampling.BICUBIC)


def check_room(model: nn.Module, size: tuple[int, int], name: object) -> None:
    """Raises UserError if this machine has no memory for one picture of that size on its CPU."""
    width, height = size
    needed, there = bytes_per_image(model, height, width), available_ram()
    if next(model.parameters()).device.type == "cpu" and needed > there:
        raise UserError(
            f"{one_line(name)} at {width} x {height} px takes {needed / 2**30:.1f} GiB, and "
            f"{there / 2**30:.1f} are free; lower --size, or leave it out"
        )


def left_out(error: UnreadablePicture | UserError) -> str:
    """The line for a picture that cannot be read, or that there is no room for."""
    return f"skipped {'unreadable picture ' * isinstance(error, UnreadablePicture)}{error}"


class Examples:
    """Pictures of a file, a folder or a data set (its test images), read as they are asked for.

    Args:
        spec: a picture, a folder of pictures (any depth), or a data set's name.
        patch: patch size of the model in pixels.
        short_side: length of the pictures' shorter side in pixels.
        masks: folder with a mask per picture, see ``masks.py``.
        out: what ``attend`` wrote here before is no picture.
        reading: how files are read.
        most: so many pictures at most, evenly spread.
        model: which is to see them; what there is no memory for is left out.

    Raises:
        UserError: if there is nothing, or most masks are missing.
    """

    def __init__(
        self,
        spec: str,
        patch: int,
        short_side: int,
        masks: str | None = None,
        out: Path | None = None,
        reading: Reading = USUAL,
        most: int | None = None,
        model: nn.Module | None = None,
    ):
        path = Path(os.path.expanduser(spec))
        self.spec, self.patch, self.short_side = spec, patch, short_side
        self.data, self.masks, self.model = None, {}, model
        if spec in NAMES or not path.exists():
            if masks is not None:
                but = f" (./{spec} is)" if path.exists() else ""
                raise UserError(
                    f"--masks goes with pictures of your own; {spec} is no file or folder{but}"
                )
            size, most = fitted((1, 1), short_side, patch)[0], most or MOST_OF_A_SET
            self.data = load_data(spec, "test", size, max_images=most, reading=reading)
            self.names = [f"{i:05d}" for i in range(len(self.data))]
            return
        files = [path] if path.is_file() else _without_own(list_pictures(path), out)
        files = files if masks is None else without_masks(files, masks)
        if not files:
            raise UserError(f"no pictures in {path}")
        files = [files[i] for i in spread(len(files), most)]
        root = path.parent if path.is_file() else path
        self.files = {str(file.relative_to(root)): file for file in files}
        self.names = list(self.files)
        self.reading = told(files, reading)
        if masks is not None:
            self.masks = find_masks(Path(masks), self.files)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Example]:
        """One after the other; files that are no pictures are left out, and named.

        Raises:
            UserError: if none can be read, or a mask cannot be used.
        """
        if self.data is not None:
            if self.model is not None:
                check_room(self.model, tuple(self.data.images.shape[:1:-1]), self.spec)
            truth = [None] * len(self) if self.data.masks is None else self.data.masks
            for name, image, mask in zip(self.names, self.data.images, truth, strict=True):
                yield Example(name, image, mask)
            return
        skipped = []
        for name, file in self.files.items():
            try:
                picture = open_picture(file, self.reading)
                if self.model is not None:
                    check_room(self.model, fitted(picture.size, self.short_side, self.patch), file)
            except (UnreadablePicture, UserError) as error:
                skipped.append(error)
                tqdm.write(left_out(error))
                continue
            example = Example(name, None, None)
            if name in self.masks:
                known = load_mask(self.masks[name], (picture.height, picture.width))
                example.mask, example.valid, example.how = known
            example.image = to_tensor(fit_to_patches(picture, self.short_side, self.patch))
            yield example
        if len(skipped) == len(self):
            why = f"none of the {len(self)} pictures in {self.spec} could be read"
            raise UserError(f"{why}, as {skipped[0]}")


def _without_own(files: list[Path], out: Path | None) -> list[Path]:
    """The pictures that are no figure or map below ``out``; it is said if there were some."""
    if out is None:
        return files
    top = Path(os.path.abspath(out))  # files may be told from another folder
    ours = {top / f"{name}.png" for name in ("attention", "filmstrip", "pca", "similarity")}
    paths = {file: Path(os.path.abspath(file)) for file in files}
    rest = [f for f, p in paths.items() if p not in ours and top / "maps" not in p.parents]
    if len(rest) < len(files):
        tqdm.write(f"left out {len(files) - len(rest)} pictures written below {one_line(out)}")
    return rest


def few_at_a_time(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Examples for which the memory is there: as many as a network takes, if they are small."""
    some, size = [], 0
    for example in examples:
        some.append(example)
        size += sum(t.nbytes for t in (example.image, example.mask, example.valid) if t is not None)
        if len(some) == 32 or size > PICTURE_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def averaged(names: Sequence[str | Path], what: str) -> str:
    """``11 images``; where they lie in several folders, that scores are means of their means."""
    folders = len({Path(name).parent for name in names})
    return f"{len(names)} {what}" + f", mean of {folders} folders' means" * (folders > 1)


def distinct(names: Sequence[str]) -> dict[str, str]:
    """Each name without its suffix; names that would then be one, on any system, keep it."""
    stems = {name: str(Path(name).with_suffix("")) for name in names}
    times = Counter(stem.casefold() for stem in [*stems.values(), *stems])
    return {name: stem if times[stem.casefold()] == 1 else name for name, stem in stems.items()}
