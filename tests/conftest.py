"""Shared by all tests: small settings, and where the shared photographs are.

The process that hands tests out reads this file too; so PyTorch is imported where it is used.
"""

import os
import signal
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background so, and all processes of these tests would
    # ignore the Ctrl-C that some of them are sent.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def threads_as_anywhere():
    """How a batch is divided among threads follows the cores: all machines divide it alike."""
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), 2))


@pytest.fixture(autouse=True)
def few_to_monitor(monkeypatch):
    """k-NN during training is among few: a test's whole training is shorter than the usual one."""
    from minidino.run.monitor import KnnMonitor

    monkeypatch.setattr(KnnMonitor, "LABELLED", 100)
    monkeypatch.setattr(KnnMonitor, "HELD_OUT", 100)


@pytest.fixture(scope="session")
def tiny_config():
    """A ``TrainConfig`` of two seconds: 3 epochs of 6 steps."""
    from minidino.config import recipe

    return recipe(
        "things",
        max_images=96,
        batch_size=16,
        epochs=3,
        depth=2,
        embed_dim=48,
        out_dim=32,
        hidden_dim=32,
        bottleneck_dim=16,
        drop_path_rate=0.2,
        warmup_epochs=1,
        log_every=1,
        knn_evals=2,
        snapshots=3,
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared photographs; tests that need it skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("MINIDINO_SHARED", default)) / "data"
    if not (folder / "imagenette128.zip").is_file():
        pytest.skip(f"no shared photographs at {folder} (set MINIDINO_SHARED to their folder)")
    return folder
