"""Training runs in processes of their own, that tests kill, starve of disk and compare.

The package knows nothing of this: in the process to be killed, the functions with which it
writes files are replaced by ones that count, and kill in the middle of a chosen write.
"""

import io
import json
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import torch
from forked import begun

from minidino import cli
from minidino.run import monitor
from minidino.run.checkpoint import load_checkpoint
from minidino.run.files import save_tensors
from minidino.trainer import Trainer

SECONDS = 150  # far longer than any of this takes: a hang fails the test

# 12 steps in 3 epochs; k-NN and snapshots at an epoch's end, within one, and at both ends.
TINY = ["train", "--max-images", "64", "--batch-size", "16", "--epochs", "3", "--depth", "1",
        "--embed-dim", "48", "--out-dim", "32", "--hidden-dim", "32", "--bottleneck-dim", "16",
        "--drop-path-rate", "0.2", "--log-every", "1", "--knn-evals", "4", "--snapshots", "4",
        "--device", "cpu"]  # fmt: skip
TIMES = {"seconds", "images_per_second"}


class Writes:
    """Counts what a process does to files, by kind; at a chosen moment it kills its process.

    Bytes that are written are two moments of the file's kind: when none is written yet, and when
    half are. Renaming, syncing, cutting, and a step of training are two as well: before and after.

    Args:
        kill_at: kind and number, from 0; None only counts.
    """

    def __init__(self, kill_at: tuple[str, int] | None):
        self.kill_at, self.seen = kill_at, Counter()

    def moment(self, kind: str, prepare: Callable[[], object] = lambda: None) -> None:
        if (kind, self.seen[kind]) == self.kill_at:
            prepare()
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen[kind] += 1

    def around(self, kind: str, function: Callable) -> Callable:
        def counted(*args, **kwargs):
            self.moment(kind)
            result = function(*args, **kwargs)
            self.moment(kind)
            return result

        return counted

    def opened(self, path: Path, mode: str = "r", *args, **kwargs):
        file = open(path, mode, *args, **kwargs)  # noqa: SIM115
        return file if mode in ("r", "rb") else Counted(file, path.name, self)

    def save_tensors(self, weights: dict, path: Path) -> None:
        save_tensors(weights, path)
        self.moment("snapshot", lambda: os.truncate(path, path.stat().st_size // 2))

    def install(self) -> None:
        monitor.save_tensors = self.save_tensors
        for name in ("replace", "fsync"):
            setattr(os, name, self.around(name, getattr(os, name)))
        Trainer.step = self.around("step", Trainer.step)
        Path.open = lambda path, *args, **kwargs: self.opened(path, *args, **kwargs)


class Counted:
    """A file whose writes and cuts are moments."""

    def __init__(self, file, name: str, writes: Writes):
        self.file, self.writes = file, writes
        self.kind = name.strip(".").removesuffix(".partial")

    def write(self, data) -> int:
        def half() -> None:
            self.file.write(data[: len(data) // 2])
            self.file.flush()

        self.writes.moment(self.kind)
        self.writes.moment(self.kind, half)
        return self.file.write(data)

    def truncate(self, size: int) -> int:
        return self.writes.around("truncate", self.file.truncate)(size)

    def __getattr__(self, name: str):
        return getattr(self.file, name)

    def __enter__(self) -> "Counted":
        return self

    def __exit__(self, *_) -> None:
        self.file.close()


def live(
    argv: list[str],
    report: Path,
    kill_at: tuple[str, int] | None,
    limit: int | None,
    patch: Callable | None,
) -> None:
    """Be a process that runs a command; leave what it printed and its exit code."""
    torch.set_num_threads(1)
    monitor.KnnMonitor.LABELLED = monitor.KnnMonitor.HELD_OUT = 40
    writes = Writes(kill_at)
    writes.install()
    if limit is not None:
        import resource  # Windows has none

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if patch is not None:
        patch()
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.main(argv)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    said = {"code": code, "out": out.getvalue(), "err": err.getvalue(), "moments": writes.seen}
    with open(report, "w") as file:
        json.dump(said, file)
    os._exit(code)


class Victim:
    """A process that runs a command of minidino's.

    Args:
        argv: the command.
        report: a file for what it says; it is written when the command returns.
        kill_at: the moment of its writing (see ``Writes``) at which it is killed.
        limit: the largest size in bytes of a file that it can write.
        patch: called first in the process.
    """

    def __init__(
        self,
        argv: list[str],
        report: Path,
        kill_at: tuple[str, int] | None = None,
        limit: int | None = None,
        patch: Callable | None = None,
    ):
        self.report = report
        report.unlink(missing_ok=True)
        self.process = begun(live, argv, report, kill_at, limit, patch)

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it has ended
            os.kill(self.process.pid, number)

    def wait_for(self, happened: Callable[[], bool]) -> bool:
        """Wait until something has happened, or the process has ended; True if it still runs."""
        end = time.monotonic() + SECONDS
        while self.process.is_alive() and not happened():
            assert time.monotonic() < end, "nothing happened"
            time.sleep(0.002)
        return self.process.is_alive()

    def ended(self) -> dict | None:
        """What it said, when it has ended; None if it was killed."""
        self.process.join(SECONDS)
        if self.process.is_alive():
            self.process.kill()
            raise AssertionError("it hung")
        if self.process.exitcode == -signal.SIGKILL:
            return None
        assert self.report.exists(), f"exit code {self.process.exitcode}, no report"
        return json.loads(self.report.read_text())


# ------------------------------------------------------------------ what a run has left


def log_of(run: Path) -> list[dict]:
    """The lines of ``metrics.jsonl``, but for what depends on the clock."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def assert_same_value(a, b, where: str) -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same_value(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same_value(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


def assert_same_run(a: Path, b: Path) -> None:
    """Bit for bit: weights, center, optimizer, position, settings, log, snapshots; no litter."""
    states = [load_checkpoint(run) for run in (a, b)]
    for state in states:
        assert state.pop("seconds") > 0
    assert_same_value(*states, "checkpoint")
    assert log_of(a) == log_of(b)
    files = [sorted(f.relative_to(r).as_posix() for f in r.rglob("*")) for r in (a, b)]
    assert files[0] == files[1]
    for snapshot in (a / "snapshots").iterdir():
        assert snapshot.read_bytes() == (b / "snapshots" / snapshot.name).read_bytes(), snapshot
    configs = [json.loads((run / "config.json").read_text()) for run in (a, b)]
    for config in configs:
        config.pop("resumed", None)
    assert configs[0] == configs[1]
