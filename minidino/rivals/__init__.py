"""DINO's rivals, a file each: the same backbone, crops, loop and evaluation, another objective."""

import torch
from torch import nn

from minidino.config import TrainConfig
from minidino.engine.settings import Engine
from minidino.rivals.byol import BYOL
from minidino.rivals.moco import MoCo
from minidino.rivals.simclr import SimCLR
from minidino.rivals.supervised import Supervised
from minidino.rivals.swav import SwAV
from minidino.trainer import Trainer

TRAINERS: dict[str, type[Trainer]] = {
    "dino": Trainer,
    "supervised": Supervised,
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "swav": SwAV,
}


def make_trainer(
    config: TrainConfig,
    steps_per_epoch: int,
    device: torch.device,
    engine: Engine | None = None,
    n_classes: int = 0,
    backbone: nn.Module | None = None,
) -> Trainer:
    """The trainer of ``config.objective``; arguments and errors as ``Trainer``'s."""
    settings = config, steps_per_epoch, device, engine, n_classes
    return TRAINERS[config.objective](*settings, backbone)
