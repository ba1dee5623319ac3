"""Runs that kill themselves with SIGKILL at the n-th moment of a write or a step.

``python killed_runs.py`` reads a line {"config", "out", "kills"} after the other from stdin. It
trains into ``out``, once for every number in ``kills`` and once to the end, each in a process of
its own (a fork, so that torch is imported and the images are drawn once), and answers in a line
to which moments each of them came and how it ended.
"""

import io
import json
import os
import signal
import sys
from functools import cache
from pathlib import Path

import torch

import minidino.monitor
import minidino.train
from minidino.config import TrainConfig
from minidino.data import load_data
from minidino.monitor import KnnMonitor, MetricsLog
from minidino.train import train
from minidino.trainer import Trainer


class Moments:
    """Counts moments, tells each one's kind to ``told``, and dies at number ``kill``."""

    def __init__(self, kill: int | None, told: int):
        self.kill, self.told, self.count = kill, told, 0

    def now(self, kind: str, half=None) -> None:
        """One more moment; ``half`` does half of the write that was about to be done."""
        os.write(self.told, f"{kind}\n".encode())
        if self.count == self.kill:
            if half is not None:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def install(self) -> None:
        replace, fsync, save, step = os.replace, os.fsync, torch.save, Trainer.step
        save_file, write_text, log = (
            minidino.monitor.save_file,
            Path.write_text,
            MetricsLog.write,
        )

        def half_of(path, write):
            write(path)
            os.truncate(path, os.path.getsize(path) // 2)

        def replaced(old, new):
            name = "snapshot" if "step_" in str(new) else Path(new).name
            self.now(f"before rename to {name}")
            replace(old, new)
            self.now(f"after rename to {name}")

        def synced(handle):
            self.now("before fsync")
            fsync(handle)

        def saved(state, file):
            def half():
                whole = io.BytesIO()
                save(state, whole)
                file.write(whole.getvalue()[: whole.tell() // 2])
                file.flush()

            self.now("within a checkpoint", half)
            save(state, file)

        def snapped(weights, path):
            self.now("within a snapshot", lambda: half_of(path, lambda p: save_file(weights, p)))
            save_file(weights, path)

        def text(path, content, *args, **kwargs):
            self.now("within config.json", lambda: write_text(path, content[: len(content) // 2]))
            return write_text(path, content, *args, **kwargs)

        def logged(metrics, **values):
            line = json.dumps(values).encode()
            self.now("within a log line", lambda: metrics.file.write(line[: len(line) // 2]))
            return log(metrics, **values)

        def stepped(trainer, images):
            self.now("before a step")
            return step(trainer, images)

        os.replace, os.fsync, torch.save = replaced, synced, saved
        minidino.monitor.save_file, Path.write_text = snapped, text
        MetricsLog.write, Trainer.step = logged, stepped


def one_run(config: TrainConfig, out: str, kill: int | None) -> tuple[list[str], int]:
    """The kinds of moments that a run came to, and how its process ended (as ``waitpid``)."""
    ours, its = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(ours)
            Moments(kill, its).install()
            train(config, out, resume=True, progress=False, device="cpu")
            code = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    os.close(its)
    with os.fdopen(ours) as told:
        kinds = told.read().splitlines()
    return kinds, os.waitpid(child, 0)[1]


def main() -> None:
    torch.set_num_threads(1)
    minidino.monitor.load_data = minidino.train.load_data = cache(load_data)
    for request in sys.stdin:
        asked = json.loads(request)
        config = TrainConfig.from_dict(asked["config"])
        KnnMonitor.of(config, minidino.train._load_images(config, config.batch_size))
        runs = [one_run(config, asked["out"], kill) for kill in [*asked["kills"], None]]
        print(json.dumps(runs), flush=True)


if __name__ == "__main__":
    main()
