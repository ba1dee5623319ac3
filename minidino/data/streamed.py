"""A folder of pictures too large for memory: worker processes decode what the next batches need."""

from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from minidino.config import USUAL, Reading
from minidino.data import workers
from minidino.data.pictures import UnreadablePicture, cores, decode_square
from minidino.data.prefetch import to_device
from minidino.errors import UserError, one_line


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
        reading: Reading = USUAL,
        workers: int | None = None,
        names_digest: str | None = None,
    ):
        self.files, self.labels, self.classes, self.size = files, labels, classes, size
        self.how, self.names_digest = reading, names_digest
        self.masks = None
        self.skipped: list[Path] = []
        self.device = torch.device("cpu")
        self.workers = cores() if workers is None else workers
        self.none_left = False  # in a worker: it has tried them all
        self.answered = False  # a picture could be read
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
                return decode_square(self.files[at], self.size, self.how), bad
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
                raise UserError(self._none_could_be_read())
            self.answered = True
            for file in (self.files[i] for i in bad):
                if file not in self.skipped:
                    self.skipped.append(file)
                    count = f"({len(self.skipped)} so far)"
                    tqdm.write(f"skipped unreadable picture {one_line(file)} {count}")
            yield images

    def _none_could_be_read(self) -> str:
        """Why, as the first picture has it."""
        why = f"none of the {len(self.files):,} pictures could be read"
        try:
            decode_square(self.files[0], self.size, self.how)
        except UnreadablePicture as error:
            why += f", as {error}"
        if self.answered:
            why += "; they could be before: see whether the disk or network they are on answers"
        return why

    def close(self) -> None:
        """End the processes that read pictures, whatever they are waiting for."""
        for process in self.reading[1] if self.reading else ():
            process.kill()
        self.reading = None


def _collate(items: list[tuple[Tensor | None, list[int]]]) -> tuple[Tensor | None, list[int]]:
    images = [image for image, _ in items]
    whole = None if any(image is None for image in images) else torch.stack(images)
    return whole, [i for _, bad in items for i in bad]
