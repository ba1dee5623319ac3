"""A run that is killed, stopped or out of disk ends, resumed, as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minidino.checkpoint import load_checkpoint

HARNESS = Path(__file__).with_name("killed_runs.py")


@pytest.fixture(scope="module")
def runs():
    """Train into a folder, killed at those moments: what ``killed_runs.one_run`` says of each."""
    harness = subprocess.Popen(
        [sys.executable, HARNESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )

    def ask(config, out, kills=()):
        asked = {"config": config.to_dict(), "out": str(out), "kills": list(kills)}
        print(json.dumps(asked), file=harness.stdin, flush=True)
        ended = json.loads(harness.stdout.readline())
        assert ended[-1][1] == 0
        return ended

    yield ask
    harness.communicate()


def assert_same(a, b, where="checkpoint"):
    """Bit for bit, through dicts and lists."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a.keys() - {"seconds", "images_per_second"}:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


def assert_same_run(a: Path, b: Path):
    """Everything that two folders keep, but for times and how often they were resumed."""
    names = [{str(f.relative_to(x)) for f in x.rglob("*")} for x in (a, b)]
    assert names[0] == names[1]
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        assert_same(load_checkpoint(a / name), load_checkpoint(b / name), name)
    logs = [[json.loads(x) for x in (y / "metrics.jsonl").read_text().splitlines()] for y in (a, b)]
    assert_same(logs[0], logs[1], "metrics.jsonl")
    for file in (a / "snapshots").iterdir():
        assert file.read_bytes() == (b / "snapshots" / file.name).read_bytes(), file.name


@pytest.fixture
def whole(runs, tiny_config, tmp_path):
    """A run that nothing happened to: its config, folder and kinds of moments."""
    config = replace(tiny_config, max_images=64, epochs=2)
    [(kinds, _)] = runs(config, tmp_path / "whole")
    return config, tmp_path / "whole", kinds


def killed_at(kinds, kind):
    """The middle one of the moments of a kind."""
    at = [i for i, x in enumerate(kinds) if x == kind]
    return at[len(at) // 2]


def test_killed_in_the_midst_of_each_kind_of_write(runs, whole, tmp_path):
    """SIGKILL comes with half of the bytes written, or between the two renames."""
    config, folder, kinds = whole
    for kind in (
        "within a checkpoint",
        "after rename to checkpoint.previous.pt",
        "within a log line",
        "within a snapshot",
        "before a step",
    ):
        out = tmp_path / kind.replace(" ", "-")
        ended = runs(config, out, [killed_at(kinds, kind)])
        assert ended[0][0][-1] == kind and ended[0][1] == signal.SIGKILL
        assert_same_run(folder, out)


@pytest.mark.slow
def test_killed_at_20_random_moments(runs, whole, tmp_path):
    config, folder, kinds = whole
    for kill in random.Random(0).sample(range(len(kinds)), 20):
        out = tmp_path / str(kill)
        ended = runs(config, out, [kill])
        assert ended[0][1] == signal.SIGKILL, kinds[kill]
        assert_same_run(folder, out)
        print("survived a kill", kill, "of", len(kinds), kinds[kill])
