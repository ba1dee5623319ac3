"""Images per second of training: minidino, and lightly + timm, in one run.

Both sides train the same network (width, depth, heads, patch, head, K) on the same images
with the same crops (sizes, number, scales, colour and blur settings), batch and precision,
end to end: uint8 images in, updated student and teacher out. They alternate, so that a change
of the machine's speed meets both. lightly's crops run in DataLoader workers; the number of
workers that serves it best is used.

    python benchmarks/throughput.py                  # or: make bench
    python benchmarks/throughput.py --recipe trial   # a smaller network, see TRIAL
"""

import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import nn

warnings.filterwarnings("ignore")

from minidino.config import TrainConfig, recipe  # noqa: E402
from minidino.data import load_data  # noqa: E402
from minidino.provenance import provenance  # noqa: E402
from minidino.train import pick_device  # noqa: E402
from minidino.trainer import Trainer, batch_indices, parameter_groups  # noqa: E402

# The network and crops of the trial that came before the things recipe.
TRIAL = recipe(
    "things",
    image_size=48,
    eval_size=48,
    patch_size=8,
    depth=4,
    num_heads=4,
    out_dim=256,
    global_size=32,
    local_size=16,
    local_scale=(0.05, 0.4),
)


def ours(config: TrainConfig, device: torch.device) -> Callable[[], None]:
    """A function that takes one step of minidino."""
    data = load_data(config.data, "train", config.image_size, max_images=2048).to(device)
    trainer = Trainer(config, len(data) // config.batch_size, device)
    index = batch_indices(len(data), config.batch_size, 0, 0, trainer.total_steps)
    batches = data.batches(index)

    def step() -> None:
        trainer.step(next(batches))["loss"].item()

    return step


class AsPictures(torch.utils.data.Dataset):
    """The images as PIL pictures, which is what lightly's transform takes."""

    def __init__(self, images: torch.Tensor, transform):
        from torchvision.transforms.functional import to_pil_image

        self.pictures, self.transform = [to_pil_image(i) for i in images], transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> list[torch.Tensor]:
        return self.transform(self.pictures[i])


def lightly_and_timm(config: TrainConfig, device: torch.device, workers: int) -> Callable[[], None]:
    """A function that takes one step of lightly's loss, head and crops on timm's ViT."""
    import timm
    from lightly.loss import DINOLoss
    from lightly.models.modules import DINOProjectionHead
    from lightly.models.utils import update_momentum
    from lightly.transforms.dino_transform import DINOTransform

    look = config.appearance
    transform = DINOTransform(
        global_crop_size=config.global_size,
        global_crop_scale=config.global_scale,
        local_crop_size=config.local_size,
        local_crop_scale=config.local_scale,
        n_local_views=config.n_local,
        cj_prob=look.jitter_p,
        cj_strength=1.0,
        cj_bright=look.brightness,
        cj_contrast=look.contrast,
        cj_sat=look.saturation,
        cj_hue=look.hue,
        random_gray_scale=look.grayscale_p,
        gaussian_blur=look.blur_p,
        sigmas=look.blur_sigma,
        solarization_prob=look.solarize_p,
    )
    images = load_data(config.data, "train", config.image_size, max_images=2048).images
    loader = torch.utils.data.DataLoader(
        AsPictures(images, transform),
        batch_size=config.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = timm.models.VisionTransformer(
                img_size=config.global_size,
                patch_size=config.patch_size,
                embed_dim=config.embed_dim,
                depth=config.depth,
                num_heads=config.num_heads,
                drop_path_rate=config.drop_path_rate,
                num_classes=0,
                dynamic_img_size=True,
            )
            self.head = DINOProjectionHead(
                config.embed_dim,
                config.hidden_dim,
                config.bottleneck_dim,
                config.out_dim,
                freeze_last_layer=1,
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.backbone(x))

    student, teacher = Network().to(device), Network().to(device)  # weight_norm defeats deepcopy
    teacher.load_state_dict(student.state_dict())
    teacher.eval().requires_grad_(False)
    criterion = DINOLoss(config.out_dim, warmup_teacher_temp_epochs=0).to(device)
    optimizer = torch.optim.AdamW(parameter_groups(student), lr=1e-3)

    def batches() -> Iterator[list[torch.Tensor]]:
        while True:
            yield from loader

    stream = batches()

    def step() -> None:
        views = [v.to(device, non_blocking=True) for v in next(stream)]
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            teacher_out = [teacher(v) for v in views[:2]]
            student_out = [student(v) for v in views]
            loss = criterion(teacher_out, student_out, epoch=1)
        optimizer.zero_grad()
        loss.backward()
        for p in student.parameters():
            if p.grad is not None:
                nn.utils.clip_grad_norm_([p], 3.0)
        student.head.cancel_last_layer_gradients(current_epoch=1)
        optimizer.step()
        update_momentum(student.backbone, teacher.backbone, m=0.99)
        update_momentum(student.head, teacher.head, m=0.99)
        loss.item()

    return step


def rate(step: Callable[[], None], batch_size: int, seconds: float) -> float:
    """Images per second over about so many seconds."""
    began, steps = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        step()
        steps += 1
    return steps * batch_size / spent


def main(
    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "things",
    rounds: int = 5,
    seconds: float = 8.0,
    device: str | None = None,
    out: Path | None = None,
) -> None:
    """Measure both and print the ratio.

    Args:
        recipe_name: The recipe whose network, crops and batch both sides use, or trial.
        rounds: How often each side is timed, in turn.
        seconds: Length of one timing.
        device: cpu or cuda; by default cuda where there is one.
        out: Also write the numbers here, as JSON.
    """
    where = pick_device(device)
    config = replace(TRIAL if recipe_name == "trial" else recipe(recipe_name), epochs=10_000)
    candidates = sorted({0, 1, os.cpu_count() or 1})
    tried = {}
    for workers in candidates:
        step = lightly_and_timm(config, where, workers)
        rate(step, config.batch_size, seconds / 2)
        tried[workers] = rate(step, config.batch_size, seconds)
        del step
    best = max(tried, key=tried.get)
    print("lightly + timm, images/s by workers:", {w: round(r) for w, r in tried.items()})

    sides = {
        "minidino": ours(config, where),
        "lightly + timm": lightly_and_timm(config, where, best),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for step in sides.values():
        rate(step, config.batch_size, seconds / 2)  # warm-up, not counted
    for _ in range(rounds):
        for name, step in sides.items():
            rates[name].append(rate(step, config.batch_size, seconds))
    for name, values in rates.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:16s} {middle:7.1f} images/s   ({low:.1f} to {high:.1f}, {rounds} rounds)")
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    print(
        f"{'ratio':16s} {statistics.median(ratios):7.2f}            "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )
    if out is not None:
        import lightly
        import timm

        versions = {"lightly": lightly.__version__, "timm": timm.__version__}
        result = {"recipe": recipe_name, "images_per_second": rates, "ratio": ratios,
                  "lightly_workers": best, "cpu_count": os.cpu_count()}  # fmt: skip
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result | versions | provenance(where), indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
