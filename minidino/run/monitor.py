"""What is watched and kept while a network trains: metrics, k-NN, snapshots of the teacher."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from minidino.config import TrainConfig
from minidino.data import load_data
from minidino.data.pictures import Pictures
from minidino.data.streamed import StreamedFolder
from minidino.data.twins import tell_twins
from minidino.engine import distributed
from minidino.errors import UserError
from minidino.evaluate import accuracy, extract_features, knn_predict
from minidino.run.files import replacing, save_tensors
from minidino.vit import VisionTransformer


def moments(count: int, total: int, power: float) -> set[int]:
    """``count`` steps from 0 to ``total``; with a higher power, closer together at the start."""
    if count < 2:
        return {total} if count else set()
    return {round(total * (i / (count - 1)) ** power) for i in range(count)}


def snapshot_path(out: Path, step: int) -> Path:
    """Where the snapshot of a step is kept."""
    return out / "snapshots" / f"step_{step:07d}.safetensors"


def save_snapshot(path: Path, backbone: VisionTransformer) -> None:
    """The teacher's backbone at one moment, in half precision.

    Raises:
        UserError: if it cannot be written.
    """
    weights = {k: v.half().contiguous().cpu() for k, v in backbone.state_dict().items()}
    with _told(path), replacing(path) as partial:
        save_tensors(weights, partial)


class MetricsLog:
    """``metrics.jsonl``: a line per logged step, none doubled and none lost by a resume.

    Args:
        out: the run's folder; None keeps the lines in memory only.
        upto: the step that the run goes on from. Lines of later steps, which will be taken and
            logged again, are cut off, and so is a line that a kill cut short.
    """

    def __init__(self, out: Path | None, upto: int):
        self.lines: list[dict] = []
        self.file = None
        if out is None:
            return
        # Unbuffered: a line is in the file, or was never said to be.
        self.file = (out / "metrics.jsonl").open("ab+", buffering=0)
        self.file.seek(0)
        end = 0
        for raw in self.file.read().splitlines(keepends=True):
            line = _parsed(raw)
            if line is None or line["step"] > upto:
                break
            self.lines.append(line)
            end += len(raw)
        self.file.truncate(end)

    def write(self, **values: float) -> dict:
        """Add a line.

        Raises:
            UserError: if it cannot be written.
        """
        line = (json.dumps(values) + "\n").encode()
        if self.file is not None:
            with _told(self.file.name):
                if self.file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.lines.append(values)
        return values

    def sync(self) -> None:
        """Bring the lines to disk."""
        if self.file is not None:
            with _told(self.file.name):
                os.fsync(self.file.fileno())

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def _parsed(raw: bytes) -> dict | None:
    """A whole line, or None."""
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    whole = raw.endswith(b"\n") and isinstance(line, dict) and isinstance(line.get("step"), int)
    return line if whole else None


@contextmanager
def _told(path: Path | str) -> Iterator[None]:
    """A file that cannot be written costs one line."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise UserError(f"could not write {path}: {error}; what was saved before is kept") from None


class KnnMonitor:
    """k-NN on the validation images, as a curve to watch; small, so that it costs little."""

    LABELLED, HELD_OUT = 1000, 500  # images at most

    def __init__(self, bank: Pictures, val: Pictures):
        self.bank, self.val = bank, val

    @classmethod
    def of(cls, config: TrainConfig, data: Pictures | StreamedFolder) -> "KnnMonitor | None":
        """None where the data has no labels, nothing is held out, or it would not fit in memory."""
        if data.labels is None:
            return None
        try:
            how = {"size": config.eval_size, "reading": config.reading}
            bank = load_data(
                config.data, "labelled", max_images=cls.LABELLED, seed=config.seed, **how
            )
            val = load_data(config.data, "val", max_images=cls.HELD_OUT, **how)
            for part in (bank, val):
                if not isinstance(part, Pictures):
                    raise UserError(f"{len(part)} images of {config.eval_size} px are too many")
                if part.labels is None:
                    raise UserError("the held-out pictures are not in folders named as in train")
        except UserError as error:
            distributed.note(f"no k-NN during training: {error}")
            return None
        tell_twins(bank, val)
        return cls(bank, val)

    def __call__(self, backbone: VisionTransformer) -> float:
        # Each process has averages of its own in a batch norm. The first one's are those kept.
        averages = list(backbone.buffers())
        firsts = distributed.from_main([b.cpu() for b in averages])
        for ours, first in zip(averages, firsts, strict=True):
            ours.copy_(first)
        bank, val = (
            distributed.rows_of_all(lambda x: extract_features(backbone, x), p.images)
            for p in (self.bank, self.val)
        )
        return accuracy(knn_predict(bank, self.bank.labels, val), self.val.labels)
