"""Every objective, every piece beside DINO and another network: what a test tries all of."""

from dataclasses import replace

from minidino.config import OBJECTIVES, TrainConfig

VARIANTS = {name: {"objective": name, **changes} for name, changes in OBJECTIVES.items()} | {
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


def variant(config: TrainConfig, name: str) -> TrainConfig:
    """The variant, with as many prototypes and keys as a batch has images; it learns at once."""
    n = config.batch_size
    fits = {"out_dim": n, "queue_length": n, "warmup_epochs": 0, "freeze_last_layer_epochs": 0}
    return replace(config, **(VARIANTS[name] | fits))
