"""Which trainer each objective has: DINO's own, its rivals', and those of what came after it."""

import torch
from torch import nn

from minidino.config import TrainConfig
from minidino.engine.settings import Engine
from minidino.limits import pieces_of
from minidino.rivals.byol import BYOL
from minidino.rivals.moco import MoCo
from minidino.rivals.simclr import SimCLR
from minidino.rivals.supervised import Supervised
from minidino.rivals.swav import SwAV
from minidino.successors.lejepa import LeJEPA
from minidino.successors.mae import MAE
from minidino.successors.trainer import SuccessorTrainer
from minidino.trainer import Trainer

TRAINERS: dict[str, type[Trainer]] = {
    "dino": Trainer,
    "supervised": Supervised,
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "swav": SwAV,
    "mae": MAE,
    "lejepa": LeJEPA,
}


def make_trainer(
    config: TrainConfig,
    steps_per_epoch: int,
    device: torch.device,
    engine: Engine | None = None,
    n_classes: int = 0,
    backbone: nn.Module | None = None,
) -> Trainer:
    """The trainer of ``config.objective``, for DINO with the pieces of successors that it asks for;
    arguments and errors as ``Trainer``'s.
    """
    make = SuccessorTrainer if pieces_of(config) else TRAINERS[config.objective]
    return make(config, steps_per_epoch, device, engine, n_classes, backbone)
