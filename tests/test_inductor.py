"""Every objective and piece, compiled by inductor as on a GPU, takes the plain step's way."""

import shutil
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minidino.config import OBJECTIVES
from minidino.engine.settings import Engine
from minidino.run.objectives import make_trainer

HAS_COMPILER = (shutil.which("c++") or shutil.which("cl")) and (
    Path(sysconfig.get_path("include")) / "Python.h"
).exists()

PIECES = {
    "koleo": {"koleo": 0.1},
    "sinkhorn": {"centering": "sinkhorn"},
    "ibot": {"ibot": 1.0},
    "registers": {"registers": 4},
    "rope": {"positions": "rope"},
    "gram": {"gram": 1.0},
    "head_batch_norm": {"head_batch_norm": True},
    "resnet18": {"backbone": "resnet18"},
    "mse": {"pair_loss": "mse"},
}
CASES = {name: {"objective": name, **changes} for name, changes in OBJECTIVES.items()} | PIECES


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILER, reason="inductor needs a C++ compiler and Python's headers")
@pytest.mark.parametrize("case", CASES)
def test_what_inductor_compiles_is_the_plain_step(case, tiny_config, capsys):
    usual = {"warmup_epochs": 0, "queue_length": 16, "out_dim": tiny_config.batch_size}
    config = replace(tiny_config, **(CASES[case] | usual))
    g = torch.Generator().manual_seed(0)
    size = (3, config.batch_size, 3, config.image_size, config.image_size)
    batches = torch.randint(0, 256, size, dtype=torch.uint8, generator=g)
    labels = torch.randint(0, 10, size[:2], generator=g)

    def losses(engine: Engine) -> list[float]:
        trainer = make_trainer(config, 6, torch.device("cpu"), engine, n_classes=10)
        return [trainer.step(*batch)["loss"].item() for batch in zip(batches, labels, strict=True)]

    torch._dynamo.reset()
    # The second and third loss tell of the gradients before them.
    assert losses(Engine(compile=True)) == pytest.approx(losses(Engine()), rel=1e-3)
    assert "failed" not in capsys.readouterr().out
