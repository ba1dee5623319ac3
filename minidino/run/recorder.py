"""What a run leaves in its folder, and when: log lines, k-NN, snapshots, checkpoints.

A kill may cut short whatever is being written; the next resume makes it good. The checkpoint
says which step the run goes on from. What the folder holds beyond that step is cut off, and
what it lacks of it is added.
"""

import json
import time
from pathlib import Path

import torch

from minidino.collapse import entropy
from minidino.data.pictures import Pictures
from minidino.data.streamed import StreamedFolder
from minidino.engine import distributed
from minidino.errors import UserError
from minidino.limits import PIECES
from minidino.run.checkpoint import LATEST, save_checkpoint
from minidino.run.files import remove_partial, write_text
from minidino.run.folder import record_of
from minidino.run.interrupts import StopRequest
from minidino.run.monitor import KnnMonitor, MetricsLog, moments, save_snapshot, snapshot_path
from minidino.run.provenance import provenance
from minidino.run.watch import TrainingDiverged, Watch
from minidino.trainer import Trainer

QUICK = 0.25  # seconds: saving that takes no longer is never put off
SHARE = 20  # else it takes a twentieth of the time, at most


class Recorder:
    """The record of one run.

    Args:
        folder: where it is kept, by the main process; None writes nothing, and only the log
            lines are kept, in memory.
        trainer: what is recorded, at the step it starts or goes on from.
        data: the training images, to know whether they have labels, and which they are.
        saved: the checkpoint that it goes on from, if any.
        began: ``time.perf_counter()`` when this part of the run began.

    Raises:
        UserError: if the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path | None,
        trainer: Trainer,
        data: Pictures | StreamedFolder,
        saved: dict | None,
        began: float,
    ):
        self.folder, self.trainer, self.began = folder, trainer, began
        self.out = out = folder if distributed.is_main() else None
        self.seconds_before = (saved or {}).get("seconds", 0.0)
        if not isinstance(self.seconds_before, int | float):
            raise UserError(f"{folder / LATEST} does not say in numbers how long the run has taken")
        self.names_digest = data.names_digest
        self.saved_at = None if saved is None else trainer.now
        self.next_save = 0.0  # a moment of ``time.perf_counter()``
        config, total = trainer.config, trainer.total_steps
        self.watch = Watch(config.out_dim, round(config.warmup_epochs * trainer.steps_per_epoch))
        self.monitor = KnnMonitor.of(config, data) if config.knn_evals else None
        self.knn_steps = moments(config.knn_evals, total, power=1) if self.monitor else set()
        self.snapshot_steps = moments(config.snapshots, total, power=2)
        bank = self.monitor and len(self.monitor.bank)
        distributed.check_same(labelled=bank, val=self.monitor and len(self.monitor.val))
        upto = -1 if saved is None else trainer.now
        if out is not None:
            self._open_folder()
        self.log = MetricsLog(out, upto)

    def _open_folder(self) -> None:
        try:
            (self.out / "snapshots").mkdir(parents=True, exist_ok=True)
            for folder in (self.out, self.out / "snapshots"):
                remove_partial(folder)
            self._write_config()
            (self.out / "metrics.jsonl").touch()
        except OSError as error:
            raise UserError(f"cannot write to {self.out}: {error.strerror}") from None

    def _write_config(self) -> None:
        """``config.json``: settings, versions, commit; and the last two of every resume."""
        file = self.out / "config.json"
        here = provenance(self.trainer.device) | {"processes": distributed.world_size()}
        record = {"config": self.trainer.config.to_dict()} | here
        if self.saved_at is not None:
            # Nothing depends on it: where a person has spoilt it, it is begun anew.
            record = record_of(file) or record
            record.setdefault("resumed", []).append({"step": self.saved_at} | here)
        write_text(file, json.dumps(record, indent=2) + "\n")

    def seconds(self) -> float:
        """Wall-clock time of the run, over all resumes."""
        return self.seconds_before + time.perf_counter() - self.began

    def write(self, metrics: dict[str, torch.Tensor], rate: float) -> str:
        """Log a step's metrics, and tell of trouble.

        Args:
            metrics: what ``Trainer.step`` returned, averaged over the processes.
            rate: images per second.

        Returns:
            The same in a few words, for the progress bar.
        """
        now = self.trainer.now
        loss = metrics["loss"].item()
        if "entropy" in metrics:
            h = metrics["entropy"].item()
            added = {name: metrics[name].item() for name in PIECES if name in metrics}
            seen = {"entropy": h, "usage": entropy(metrics["mean_target"]).item()}
            shown = f"H {h:.3f}"
            if self.trainer.config.pair_loss == "cross-entropy":  # which is H + KL
                seen["kl"] = loss - sum(added.values()) - h
                shown += f" KL {seen['kl']:.3f}"
            seen |= added
        else:
            seen = {"spread": metrics["spread"].item()}
            shown = f"spread {seen['spread']:.2f}"
        line = self.log.write(
            step=now,
            epoch=now / self.trainer.steps_per_epoch,
            loss=loss,
            **seen,
            lr=self.trainer.schedules.lr[now - 1],
            images_per_second=rate,
            seconds=self.seconds(),
        )
        for trouble in self.watch.see(line):
            distributed.note(trouble)
        return f"loss {loss:.3f} {shown} {rate:.0f} img/s"

    def due(self) -> bool:
        """Is there something to look at after this step?"""
        return self.trainer.now in self.knn_steps | self.snapshot_steps

    def look(self, stop: StopRequest) -> None:
        """k-NN and the snapshot of this step, if they are due and not there yet.

        k-NN takes its time; a stop cuts it short, and the resume begins with it.
        """
        step, backbone = self.trainer.now, self.trainer.teacher.backbone
        if step in self.knn_steps and not self._has_knn(step):
            knn = stop.unless_asked(lambda: self.monitor(backbone))
            if knn is not None:
                self.log.write(step=step, knn=knn, labelled=len(self.monitor.bank))
        if self.out is not None and step in self.snapshot_steps:
            save_snapshot(snapshot_path(self.out, step), backbone)

    def _has_knn(self, step: int) -> bool:
        mine = any(line["step"] == step and "knn" in line for line in self.log.lines[-2:])
        return distributed.from_main(mine)  # no other process has the lines of before a resume

    def save(self) -> None:
        """The checkpoint of this step, if it is not there yet, and all log lines before it.

        Raises:
            UserError: if it cannot be written.
            TrainingDiverged: if the weights are no longer numbers, as after a step whose loss
                was the last number; nobody could go on from there.
        """
        if self.out is None or self.saved_at == self.trainer.now:
            return
        finite = [p.isfinite().all() for p in self.trainer.parameters]
        if not torch.stack(finite).all():
            raise TrainingDiverged.at(self.trainer.now, "the weights are no longer numbers")
        began = time.perf_counter()
        self.log.sync()
        state = self.trainer.state_dict()
        state |= {"seconds": self.seconds(), "names_digest": self.names_digest}
        save_checkpoint(self.out / LATEST, state)
        self.saved_at, now = self.trainer.now, time.perf_counter()
        self.next_save = now + SHARE * (now - began) if now - began > QUICK else now

    def save_if_cheap(self) -> None:
        """``save``, unless the last one is too near: a GPU's epoch may take less than a disk does.

        Only a run that is killed notices: it goes on from an epoch before. One that is stopped,
        or comes to its end, is saved in any case.
        """
        if time.perf_counter() >= self.next_save:
            self.save()


class Pace:
    """Images a second of the steps alone, without what happens between them."""

    def __init__(self, batch_size: int):
        self.batch_size, self.steps = batch_size, 0
        self.all_steps, self.all_seconds = 0, 0.0

    def go_on(self) -> None:
        """Steps begin."""
        self.began, self.steps = time.perf_counter(), 0

    def rest(self) -> float:
        """Steps have ended; the rate of those since ``go_on``."""
        seconds = time.perf_counter() - self.began
        self.all_steps += self.steps
        self.all_seconds += seconds
        return self.steps * self.batch_size / seconds

    def overall(self) -> float:
        return self.all_steps * self.batch_size / self.all_seconds if self.all_steps else 0.0
