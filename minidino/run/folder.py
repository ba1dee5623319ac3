"""The folder of a run: who may train into it, and what it already holds."""

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from minidino.config import TrainConfig
from minidino.errors import UserError
from minidino.run.checkpoint import has_checkpoint, load_to_resume
from minidino.run.files import held, release


class RunFolder:
    """A folder that one process at a time trains into: a context, which holds it for this one.

    Args:
        path: None for a run that keeps nothing, and in all processes but the main one.

    Raises:
        UserError: if another process is training into it, or it cannot be written to.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self._claim = ExitStack()
        self._claimed = False

    def __enter__(self) -> "RunFolder":
        if self.path is not None and self.path.is_dir():
            self._hold()
        return self

    def __exit__(self, *_) -> None:
        if self._claimed and not has_checkpoint(self.path):
            release(self.path)  # no run began: nothing is left behind
        self._claim.close()

    def saved(self, resume: bool) -> dict | None:
        """The state to go on from, if there is one.

        Raises:
            UserError: if nothing is to be resumed, and a run would overwrite what is there.
        """
        if self.path is None:
            return None
        if not has_checkpoint(self.path):
            self._check_free()
            return None
        if not resume:
            raise UserError(
                f"{self.path} already holds a training run; add --resume, or change --out"
            )
        return load_to_resume(self.path)

    def make(self) -> None:
        """Make the folder if it is not there: late, so that a run that cannot begin leaves none."""
        if self.path is None or self._claimed:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror}") from None
        self._hold()
        self.saved(resume=False)  # another process may have been faster

    def _hold(self) -> None:
        try:
            self._claimed = self._claim.enter_context(held(self.path))
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror}") from None
        if not self._claimed:
            raise UserError(
                f"another process is training into {self.path}; wait for it, or stop it"
            )

    def _check_free(self) -> None:
        """A run would mix with files that no checkpoint belongs to, or have no place at all."""
        there = next(p for p in (self.path, *self.path.parents) if p.exists())
        if not there.is_dir():  # seen here, before minutes go into reading pictures
            raise UserError(f"cannot write to {self.path}: {there} is a file")
        config, log = self.path / "config.json", self.path / "metrics.jsonl"
        if config.exists() and record_of(config) is None:
            raise UserError(f"{self.path} has a config.json that is not a run's; change --out")
        if (log.exists() and log.stat().st_size) or any(self.path.glob("snapshots/step_*")):
            raise UserError(
                f"{self.path} has files of a run whose checkpoint is gone; empty it, or change "
                "--out"
            )


def record_of(file: Path) -> dict | None:
    """A run's ``config.json``; None if there is none, or it is something else.

    Raises:
        OSError: if the disk does not answer.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    ours = isinstance(record, dict) and {"config", "minidino"} <= record.keys()
    return record if ours and isinstance(record.get("resumed", []), list) else None


def settings_kept(out: Path, saved: dict, asked: dict[str, Any]) -> TrainConfig:
    """The settings that a run was started with, which a resume keeps.

    Args:
        out: the run's folder.
        saved: its checkpoint.
        asked: what its settings should be, by name. ``data`` may be another: the same pictures
            are elsewhere on another machine.

    Raises:
        UserError: if they are others, or none are saved.
    """
    try:
        kept = TrainConfig.from_dict(saved.get("config"))
    except UserError as error:
        raise UserError(f"{out}: {error}") from None
    kept = replace(kept, data=asked.get("data", kept.data))
    different = [
        f"{name} was {getattr(kept, name)}, asked for {value}"
        for name, value in asked.items()
        if getattr(kept, name) != value
    ]
    if different:
        advice = ""
        if kept.epochs != asked.get("epochs", kept.epochs):
            advice = (
                f". Learning rate and momentum were planned to end with epoch {kept.epochs}: leave "
                "out --epochs to go on with that plan, or train anew with another --out"
            )
        raise UserError(
            f"{out} was started with other settings: {'; '.join(different[:3])}{advice}"
        )
    return kept
