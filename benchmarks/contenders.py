"""Who is timed: minidino, minidino with optimisations off, the page dino.py, lightly + timm.

Where lightly is missing and timm is there, the page takes its place, on timm's ViT.

All train the same network (width, depth, heads, patch, head, K) on the same images with the
same crops (sizes, number, scales, colour and blur settings), batch and precision. A contender
has ``step()``, end to end from uint8 images to updated student and teacher, and
``step_alone()``, the same from views that are already made.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

import plain
import torch
from torch import Tensor, nn

from minidino.config import TrainConfig
from minidino.data.pictures import Pictures
from minidino.engine.memory import widest_activation
from minidino.engine.settings import Engine
from minidino.trainer import Trainer, batch_indices, parameter_groups

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where dino.py is


@dataclass(frozen=True)
class Rung:
    """An optimisation and its plain form: what is put in its place to switch it off."""

    name: str
    target: str = ""  # dotted, as mock.patch takes it
    plain: Callable | None = None


FUSED = Rung("fused attention", "minidino.vit.attend", plain.written_out_attention)
NARROW = Rung("narrow heads past the fused kernel", "minidino.vit.attend", plain.fused_attention)
PIECES = Rung(
    "a few images at a time", "minidino.engine.settings.Engine.pieces", plain.only_as_asked
)
ADAMW = Rung("fused AdamW")
NUMBERS = Rung("numbers left on the device")
COMPILE = Rung("torch.compile")
THREADS = Rung("a part of the batch for each core")
RUNGS = (
    COMPILE,
    THREADS,
    Rung("last block for [CLS] alone", "minidino.vit.VisionTransformer.forward", plain.forward),
    Rung(
        "one query in place of keys and values",
        "minidino.vit.Attention.forward_cls",
        plain.keys_and_values,
    ),
    FUSED,
    NARROW,
    PIECES,
    Rung("lean loss", "minidino.loss.cross_entropy_of_pairs", plain.pair_by_pair),
    Rung("EMA in one call", "minidino.trainer.update_teacher", plain.looped_ema),
    Rung("clipping in one call", "minidino.trainer.clip_gradients", plain.looped_clipping),
    ADAMW,
    NUMBERS,
)


def rungs_used(config: TrainConfig, device: torch.device) -> list[Rung]:
    """The optimisations that this network has on this device."""
    engine, narrow = Engine.of(device), plain.has_narrow_heads(config, device)
    images = config.batch_size
    used = {
        COMPILE: engine.compile,
        THREADS: engine.threads(images, device) > 1,
        FUSED: not narrow,
        NARROW: narrow,
        PIECES: engine.pieces(images, device, widest_activation(config)) > 1,
    }
    return [rung for rung in RUNGS if used.get(rung, True)]


class Minidino:
    """The package's own ``Trainer``, with the given rungs replaced by their plain forms."""

    def __init__(
        self,
        config: TrainConfig,
        data: Pictures,
        device: torch.device,
        off: Sequence[Rung] = (),
    ):
        engine = Engine.of(device)
        if COMPILE in off:
            engine = replace(engine, compile=False)
        if THREADS in off:
            engine = replace(engine, data_parallel=1)
        self.trainer = Trainer(config, len(data) // config.batch_size, device, engine)
        self.off = off
        if ADAMW in off:
            self.trainer.optimizer = torch.optim.AdamW(parameter_groups(self.trainer.student))
        order = batch_indices(len(data), config.batch_size, 0, 0, self.trainer.total_steps)
        self.batches = data.to(device).batches(order)
        self.images = next(self.batches)
        self.views = self.trainer.crops(self.images, torch.Generator().manual_seed(0))

    def step(self) -> Tensor:
        return self._update(next(self.batches))

    def rest(self) -> None:
        """Between two turns nothing of it works."""

    def step_alone(self) -> Tensor:
        with mock.patch.object(self.trainer, "crops", lambda *_, **__: self.views):
            return self._update(self.images)

    def _update(self, images: Tensor) -> Tensor:
        with contextlib.ExitStack() as stack:
            for rung in self.off:
                if rung.plain is not None:
                    stack.enter_context(mock.patch(rung.target, rung.plain))
            metrics = self.trainer.step(images)
        if NUMBERS in self.off:
            for value in metrics.values():
                value.mean().item()
        return metrics["loss"]


class Page:
    """The page ``dino.py``: the same method, plainly; its views are made on the CPU."""

    def __init__(
        self,
        config: TrainConfig,
        data: Pictures,
        device: torch.device,
        make_backbone: Callable[[TrainConfig], nn.Module] | None = None,
    ):
        c, look = config, config.appearance
        self.images, self.device, self.batch_size = data.images, device, c.batch_size
        (first, second, small) = look.blur_p
        self.views_of = [
            (c.global_size, c.global_scale, first, 0.0),
            (c.global_size, c.global_scale, second, look.solarize_p),
            *[(c.local_size, c.local_scale, small, 0.0)] * c.n_local,
        ]
        import dino

        self.view = dino.view
        sizes = (c.global_size, c.patch_size, c.embed_dim, c.depth, c.num_heads)
        backbone = make_backbone(config) if make_backbone else dino.ViT(*sizes)
        head = dino.Head(c.embed_dim, c.out_dim, c.hidden_dim, c.bottleneck_dim)
        self.dino = dino.Dino(backbone.to(device), head.to(device))
        self.views = self._views()

    def rest(self) -> None:
        """Between two turns nothing of it works."""

    def step(self) -> Tensor:
        return self._update(self._views())

    def step_alone(self) -> Tensor:
        return self._update(self.views)

    def _views(self) -> list[Tensor]:
        images = self.images[torch.randint(len(self.images), (self.batch_size,))] / 255
        return [self.view(images, *settings).to(self.device) for settings in self.views_of]

    def _update(self, views: list[Tensor]) -> Tensor:
        kind = self.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            return torch.tensor(self.dino.step(views, 1e-3, 0.04, 0.99, 0.04, freeze_last=False))


def timm_backbone(config: TrainConfig) -> nn.Module:
    """timm's ViT of the configuration."""
    import timm

    return timm.models.VisionTransformer(
        img_size=config.global_size,
        patch_size=config.patch_size,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.num_heads,
        drop_path_rate=config.drop_path_rate,
        num_classes=0,
        dynamic_img_size=True,
    )


class LightlyAndTimm:
    """lightly's crops, head and loss on timm's ViT, as lightly's example puts them together."""

    def __init__(self, config: TrainConfig, data: Pictures, device: torch.device, workers: int):
        from lightly.loss import DINOLoss
        from lightly.models.modules import DINOProjectionHead
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

        class Network(nn.Module):
            def __init__(self):
                super().__init__()
                self.backbone = timm_backbone(config)
                self.head = DINOProjectionHead(
                    config.embed_dim,
                    config.hidden_dim,
                    config.bottleneck_dim,
                    config.out_dim,
                    freeze_last_layer=1,
                )

            def forward(self, x: Tensor) -> Tensor:
                return self.head(self.backbone(x))

        self.device, self.config = device, config
        self.student, self.teacher = Network().to(device), Network().to(device)
        self.teacher.load_state_dict(self.student.state_dict())  # weight_norm defeats deepcopy
        self.teacher.eval().requires_grad_(False)
        self.criterion = DINOLoss(config.out_dim, warmup_teacher_temp_epochs=0).to(device)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.student), lr=1e-3)
        self.loader = Loader(data, transform, config.batch_size, workers)
        self.rest = self.loader.rest
        self.views = [v.to(device) for v in self.loader.next()]
        self.rest()

    def step(self) -> Tensor:
        return self._update([v.to(self.device, non_blocking=True) for v in self.loader.next()])

    def step_alone(self) -> Tensor:
        return self._update(self.views)

    def _update(self, views: list[Tensor]) -> Tensor:
        from lightly.models.utils import update_momentum

        kind = self.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            teacher_out = [self.teacher(v) for v in views[:2]]
            student_out = [self.student(v) for v in views]
            value = self.criterion(teacher_out, student_out, epoch=1)
        self.optimizer.zero_grad()
        value.backward()
        for p in self.student.parameters():
            if p.grad is not None:
                nn.utils.clip_grad_norm_([p], self.config.clip_grad)
        self.student.head.cancel_last_layer_gradients(current_epoch=1)
        self.optimizer.step()
        update_momentum(self.student.backbone, self.teacher.backbone, m=0.99)
        update_momentum(self.student.head, self.teacher.head, m=0.99)
        return value.detach()


class _AsPictures(torch.utils.data.Dataset):
    """The images as PIL pictures, which is what transforms of one picture take."""

    def __init__(self, images: Tensor, transform: Callable):
        from torchvision.transforms.functional import to_pil_image

        self.pictures, self.transform = [to_pil_image(i) for i in images], transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> list[Tensor]:
        return self.transform(self.pictures[i])


class Loader:
    """Batches without end, whose views worker processes make one by one."""

    def __init__(self, data: Pictures, transform: Callable, batch_size: int, workers: int):
        self.pictures = _AsPictures(data.images, transform)
        self.batch_size, self.workers = batch_size, workers
        self.batches = self._endless()

    def next(self) -> list[Tensor]:
        return next(self.batches)

    def rest(self) -> None:
        """End the workers; the next batch begins new ones.

        They make batches ahead. Left alone they would take time from the contender whose turn it
        is, and begin their own turn with views that cost nothing.
        """
        self.batches.close()
        self.batches = self._endless()

    def _endless(self) -> Iterator[list[Tensor]]:
        # One epoch without end: at the end of each, workers would have nothing to make ahead.
        sampler = torch.utils.data.RandomSampler(self.pictures, replacement=True, num_samples=2**62)
        loader = torch.utils.data.DataLoader(
            self.pictures,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
        )
        yield from loader


def builders(
    config: TrainConfig, data: Pictures, device: torch.device, workers: int, ladder: bool
) -> dict[str, Callable[[], Minidino | Page | LightlyAndTimm]]:
    """A function for each contender that makes it; ours without one rung each if ``ladder``."""
    made = {"minidino": partial(Minidino, config, data, device)}
    if ladder:
        for rung in rungs_used(config, device):
            made[f"without: {rung.name}"] = partial(Minidino, config, data, device, [rung])
    made["dino.py"] = partial(Page, config, data, device)
    if has_lightly():
        made["lightly + timm"] = partial(LightlyAndTimm, config, data, device, workers)
    elif importlib.util.find_spec("timm"):
        made["dino.py + timm"] = partial(Page, config, data, device, timm_backbone)
    return made


def has_lightly() -> bool:
    """Are the peers installed? The benchmark goes on without them."""
    return all(importlib.util.find_spec(name) for name in ("lightly", "timm"))
