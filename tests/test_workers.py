"""Processes that read pictures: killed, hanging, or only slow."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data._utils import signal_handling
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from minidino.data import folders, load_data, workers
from minidino.data import streamed as streaming
from minidino.data.pictures import UnreadablePicture
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.run.checkpoint import load_checkpoint
from minidino.run.interrupts import StopRequest
from minidino.run.recorder import Recorder
from minidino.train import train


@pytest.fixture
def streamed(tiny_config, tmp_path, monkeypatch):
    """Settings that train on 48 pictures, read by one process in every epoch's own order."""
    rng = np.random.default_rng(0)
    for i in range(48):
        (tmp_path / "photos").mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (60, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{i}.png")
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("readers that are spawned know nothing of what a test changes")
    started = multiprocessing.get_start_method()  # forkserver on Linux, since Python 3.14
    multiprocessing.set_start_method("fork", force=True)
    monkeypatch.setattr(folders, "IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(streaming, "cores", lambda: 1)
    monkeypatch.setattr(workers, "POLL", 0.5)
    yield replace(tiny_config, data=str(tmp_path / "photos"), max_images=None)
    multiprocessing.set_start_method(started, force=True)


def at_picture(number: int, act, monkeypatch) -> None:
    """Let the reading process do something at its n-th picture."""
    decode, main, read = streaming.decode_square, os.getpid(), []

    def decoded(file: Path, size: int, *how):
        assert os.getpid() != main
        read.append(file)
        if len(read) == number:
            act()
        return decode(file, size, *how)

    monkeypatch.setattr(streaming, "decode_square", decoded)


def test_a_reader_that_is_killed_ends_the_run_in_words(streamed, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGCHLD)
    at_picture(100, lambda: os.kill(os.getpid(), signal.SIGKILL), monkeypatch)
    with pytest.raises(UserError) as told:
        train(streamed, tmp_path / "run", progress=False)
    assert "a process that reads pictures was killed" in str(told.value)
    assert "--resume" in str(told.value) and "\n" not in str(told.value)
    assert load_checkpoint(tmp_path / "run")["step"] == 3  # the end of the first of three epochs
    loaders = getattr(before, "__module__", None) == signal_handling.__name__
    assert signal.getsignal(signal.SIGCHLD) is (signal.SIG_DFL if loaders else before)
    monkeypatch.undo()
    monkeypatch.setattr(folders, "IN_MEMORY_BYTES", 1000)
    assert train(streamed, tmp_path / "run", resume=True, progress=False).finished


def test_a_loader_used_before_in_the_process_does_not_interrupt_a_step(
    streamed, tmp_path, monkeypatch
):
    """PyTorch's way of noticing deaths stays in a process once any loader has had workers."""

    def of_another_loader(signum, frame):
        signal_handling._error_if_any_worker_fails()

    of_another_loader.__module__ = signal_handling.__name__
    before = signal.signal(signal.SIGCHLD, of_another_loader)
    try:
        test_a_reader_that_is_killed_ends_the_run_in_words(streamed, tmp_path, monkeypatch)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_reader_that_hangs_ends_the_run_in_words(streamed, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 2)
    at_picture(60, lambda: time.sleep(60), monkeypatch)
    with pytest.raises(UserError, match=r"no batch of pictures could be read in 2\.0 seconds"):
        train(streamed, progress=False)


def test_a_slow_reader_is_waited_for_and_nothing_is_lost(streamed, monkeypatch):
    quick = train(streamed, progress=False)
    at_picture(60, lambda: time.sleep(1), monkeypatch)
    slow = train(streamed, progress=False)
    losses = [[x["loss"] for x in r.history if "loss" in x] for r in (quick, slow)]
    assert losses[0] == losses[1] and len(losses[0]) == 9


def test_the_plan_of_a_long_run_is_not_made_at_once(streamed):
    """A million epochs' indices would not fit in memory."""
    folder = load_data(streamed.data, "train", 60)
    assert isinstance(folder, streaming.StreamedFolder)
    taken = []

    def indices():
        for _ in range(10**6):
            taken.append(1)
            yield torch.arange(4)

    batches = folder.batches(indices())
    assert next(batches).shape == (4, 3, 60, 60) and len(taken) < 10


def test_a_stop_is_saved_before_readers_are_waited_for(streamed, tmp_path, monkeypatch):
    """Ctrl-C comes while the next batch is waited for, from a disk that has become slow."""
    happened = []

    def noted(owner, name, word):
        function = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *a, **k: (happened.append(word), function(*a, **k))[1]
        )

    noted(StopRequest, "receive", "asked")
    noted(Recorder, "save", "save")
    noted(_MultiProcessingDataLoaderIter, "_shutdown_workers", "wait")
    main = os.getpid()
    at_picture(100, lambda: (os.kill(main, signal.SIGINT), time.sleep(1)), monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="and saved; go on with"):
        train(streamed, tmp_path / "run", progress=False)
    assert "save" in (after := happened[happened.index("asked") :])
    assert "wait" not in after[: after.index("save")]
    assert load_checkpoint(tmp_path / "run")["step"] > 3


def test_readers_end_with_the_run(streamed, tmp_path, monkeypatch):
    """Not when the garbage collector comes by; a run that the clock ends leaves none either."""
    monkeypatch.setattr("minidino.train.time_is_up", lambda *_: True)
    before = set(active_children())
    result = train(streamed, tmp_path / "run", minutes=1, progress=False)
    assert not result.finished and set(active_children()) <= before


def test_a_disk_that_goes_away_is_told_from_files_that_are_no_pictures(tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for file in files:
        Image.new("RGB", (8, 8)).save(file)
    batches = [torch.arange(3), torch.arange(3)]
    folder = streaming.StreamedFolder(files, None, (), 8, workers=0)
    stream = folder.batches(batches)
    next(stream)
    for file in files:
        file.unlink()
    with pytest.raises(UserError, match=r"as .*0\.png: No such file.*; they could be before"):
        list(stream)
    files[0].write_bytes(b"x")
    broken = streaming.StreamedFolder(files[:1], None, (), 8, workers=0)
    with pytest.raises(UserError, match=r"none of the 1 pictures.*cannot identify") as told:
        list(broken.batches([torch.arange(1)]))
    assert "could be before" not in str(told.value)


def test_pictures_that_all_became_unreadable_cost_one_line(streamed, tmp_path, monkeypatch):
    tried = tmp_path / "tried"

    def gone(*_):
        with tried.open("a") as file:
            file.write("x")
        raise UnreadablePicture("the disk is gone")

    monkeypatch.setattr(streaming, "decode_square", gone)
    with pytest.raises(UserError) as told:
        train(streamed, progress=False)
    assert str(told.value) == "none of the 48 pictures could be read, as the disk is gone"
    # Each once, not for every picture of a batch; and the first again, to say why.
    assert len(tried.read_text()) == 49


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
        ConnectionResetError(104, "Connection reset by peer"),
        ConnectionRefusedError(111, "Connection refused"),
        FileNotFoundError(2, "No such file or directory"),
        EOFError(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_whatever_the_loader_says_of_a_reader_that_died(error):
    """It may die before, or in the midst of, handing a batch over."""

    def batches():
        yield 1
        raise error

    read = workers.patiently(batches())
    assert next(read) == 1
    with pytest.raises(UserError, match="a process that reads pictures was killed"):
        next(read)


@pytest.mark.parametrize(
    "error",
    [
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory. Please try to raise your shared memory.",
        "DataLoader worker (pid(s) 7) exited unexpectedly: No space left on device",
    ],
)
def test_where_processes_share_memory_and_it_is_full_that_is_said(error):
    def batches():
        raise RuntimeError(error)
        yield

    with pytest.raises(UserError, match=r"/dev/shm, .* is full; .*--shm-size.*--workers 0"):
        next(workers.patiently(batches()))


def test_a_reader_that_dies_without_a_word_where_no_memory_is_left(monkeypatch):
    def batches():
        raise ConnectionResetError(104, "Connection reset by peer")
        yield

    free = SimpleNamespace(free=0)
    monkeypatch.setattr(workers, "SHARED", Path("/"))
    monkeypatch.setattr(workers.shutil, "disk_usage", lambda _: free)
    with pytest.raises(UserError, match="is full"):
        next(workers.patiently(batches()))
    free.free = 2**30
    with pytest.raises(UserError, match="was killed"):
        next(workers.patiently(batches()))


def test_the_number_of_readers_can_be_chosen(streamed, tmp_path, monkeypatch):
    """With none of them pictures are decoded by the training's own process."""
    seen, begin = [], workers.begin

    def counted(loader):
        seen.append(loader.num_workers)
        return begin(loader)

    monkeypatch.setattr(workers, "begin", counted)
    for n in (0, 1):
        train(streamed, progress=False, engine=Engine(workers=n))
    assert seen == [0, 1]


def test_other_errors_of_a_loader_are_passed_on():
    def batches():
        raise RuntimeError("stack expects each tensor to be equal size")
        yield

    with pytest.raises(RuntimeError, match="equal size"):
        next(workers.patiently(batches()))
