"""The training logs that notebook 06 diagnoses: each one a real run, most of them broken.

    python tools/make_collapse_logs.py [NAME ...]

writes minidino/checks/logs/NAME.jsonl, a line every 10 steps. Minutes on a CPU.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
import tyro
from tqdm import tqdm

from minidino.collapse import entropy
from minidino.config import TrainConfig
from minidino.crops import Appearance
from minidino.data.things import ThingsOnStuff
from minidino.loss import DINOLoss
from minidino.trainer import Trainer, batch_indices

OUT = Path(__file__).resolve().parents[1] / "minidino" / "checks" / "logs"
STEPS_PER_EPOCH = 40

# The network of notebook 06, in its full size.
LAB = TrainConfig(
    image_size=40, eval_size=40, patch_size=8, embed_dim=64, depth=1, num_heads=4,
    drop_path_rate=0.0, out_dim=64, hidden_dim=128, bottleneck_dim=32,
    global_size=24, local_size=16, n_local=2, global_scale=(0.5, 1.0), local_scale=(0.2, 0.6),
    appearance=Appearance(
        brightness=0.2, contrast=0.2, saturation=0.1, hue=0.03, grayscale_p=0.0,
        blur_p=(0.0, 0.0, 0.0), solarize_p=0.0,
    ),
    epochs=10, batch_size=48, base_lr=1e-3 * 256 / 48, warmup_epochs=1, teacher_momentum=0.98,
)  # fmt: skip
SOFT = dict(teacher_temp=0.1, warmup_teacher_temp=0.1)


class ForgottenCenter(DINOLoss):
    """The center is made and used, and nothing ever moves it."""

    def update_center(self, teacher_logits):
        pass


class CenterOfProbabilities(DINOLoss):
    """A published mistake: the center follows the softmax's output, not the raw scores.

    In these 400 steps it does not collapse: the log is healthy.
    """

    @torch.no_grad()
    def update_center(self, teacher_logits):
        super().update_center((teacher_logits / 0.04).softmax(dim=-1))


def every_epoch(step: int) -> float:
    """Momentum of a teacher that is replaced by the student at the end of each epoch."""
    return 0.0 if (step + 1) % STEPS_PER_EPOCH == 0 else 1.0


# name: changes of the settings, momentum at a step (None: the usual), the loss.
RUNS = {
    "a": (dict(seed=9), None, ForgottenCenter),
    "b": (dict(seed=4, student_temp=0.04) | SOFT, None, DINOLoss),  # temperatures swapped
    "c": (dict(seed=5), lambda step: 0.02, DINOLoss),  # 1 - 0.98 where 0.98 was meant
    "hidden_1": (dict(seed=1), None, DINOLoss),
    "hidden_2": (dict(seed=0), every_epoch, DINOLoss),
    "hidden_3": (dict(seed=2, center_momentum=1.0) | SOFT, None, DINOLoss),
    "hidden_4": (dict(seed=6, out_dim=256) | SOFT, None, DINOLoss),
    "hidden_5": (
        dict(seed=0, out_dim=256, hidden_dim=256, bottleneck_dim=64, depth=2, epochs=6,
             teacher_momentum=0.99, warmup_epochs=2, freeze_last_layer_epochs=0,
             base_lr=2e-3 * 128 / 48, global_scale=(0.4, 1.0), local_scale=(0.15, 0.5)),
        None, DINOLoss,
    ),
    "hidden_6": (dict(seed=7, center_momentum=1.0), None, DINOLoss),
    "hidden_7": (dict(seed=8), lambda step: 0.0, DINOLoss),
    "hidden_8": (dict(seed=3), None, CenterOfProbabilities),
}  # fmt: skip


def run(changes: dict, momentum, loss: type[DINOLoss], name: str) -> list[dict]:
    config = replace(LAB, **changes)
    trainer = Trainer(config, STEPS_PER_EPOCH, torch.device("cpu"))
    trainer.criterion = loss(config.out_dim, config.student_temp, config.center_momentum)
    if momentum is not None:
        trainer.schedules.teacher_momentum = [momentum(t) for t in range(trainer.total_steps)]
    n = STEPS_PER_EPOCH * config.batch_size
    images = ThingsOnStuff(n, config.image_size, config.seed).images
    order = batch_indices(n, config.batch_size, config.seed, 0, trainer.total_steps)
    lines = []
    for index in tqdm(order, total=trainer.total_steps, desc=name):
        seen = trainer.step(images[index])
        if trainer.now % 10 == 0:
            out = {"loss": seen["loss"].item(), "entropy": seen["entropy"].item()}
            out["usage"] = entropy(seen["mean_target"]).item()
            out["kl"] = out["loss"] - out["entropy"]
            lines.append({"step": trainer.now} | {k: round(v, 4) for k, v in out.items()})
    return lines


def main(names: tyro.conf.Positional[tuple[Literal[*RUNS], ...]] = ()) -> None:
    """Train, and write a log for each.

    Args:
        names: Of logs (default: all, minutes on a CPU).
    """
    OUT.mkdir(exist_ok=True)
    for name in names or RUNS:
        lines = run(*RUNS[name], name)
        (OUT / f"{name}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))


if __name__ == "__main__":
    tyro.cli(main)
