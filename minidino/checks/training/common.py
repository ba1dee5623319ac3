"""The small run that the checks of notebook 07 train, and its images."""

import torch
from torch import Tensor

from minidino.config import recipe

CPU = torch.device("cpu")
SMALL = recipe(
    "things",
    image_size=16,
    eval_size=16,
    patch_size=4,
    global_size=12,
    local_size=8,
    n_local=2,
    embed_dim=8,
    depth=1,
    num_heads=2,
    drop_path_rate=0.0,
    out_dim=5,
    hidden_dim=8,
    bottleneck_dim=4,
    batch_size=3,
    epochs=4,
    warmup_epochs=1,
    freeze_last_layer_epochs=2,
    clip_grad=0.8,
)
STEPS_PER_EPOCH = 3


def some_images() -> Tensor:
    size = (SMALL.batch_size, 3, SMALL.image_size, SMALL.image_size)
    return torch.randint(256, size, dtype=torch.uint8)
