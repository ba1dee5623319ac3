"""What inductor compiles, as on a GPU, takes the plain step's way."""

import shutil
import sysconfig
from pathlib import Path

import pytest
import torch
from variants import VARIANTS, variant

from minidino.engine.settings import Engine
from minidino.run.objectives import make_trainer

HAS_COMPILER = (shutil.which("c++") or shutil.which("cl")) and (
    Path(sysconfig.get_path("include")) / "Python.h"
).exists()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILER, reason="inductor needs a C++ compiler and Python's headers")
@pytest.mark.parametrize("name", VARIANTS)
def test_what_inductor_compiles_is_the_plain_step(name, tiny_config, capsys):
    config = variant(tiny_config, name)
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
