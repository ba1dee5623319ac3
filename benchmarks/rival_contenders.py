"""A rival's step in minidino, and the same put together of lightly's and timm's parts.

Both train the same ViT with the same projection widths, views, batch, optimizer and clipping, from
views that are already made.
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from contenders import timm_backbone
from torch import Tensor, nn

from minidino.config import TrainConfig
from minidino.engine.settings import Engine
from minidino.run.objectives import make_trainer
from minidino.successors.lejepa import DIRECTIONS
from minidino.successors.mae import HIDDEN, MaskedAutoencoder
from minidino.trainer import parameter_groups

N_CLASSES = 10


class Ours:
    """The package's own trainer of the objective."""

    def __init__(self, config: TrainConfig, images: Tensor, device: torch.device):
        self.images, self.labels = images.to(device), torch.arange(len(images)) % N_CLASSES
        self.labels = self.labels.to(device)
        # A queue must be below an epoch's images; how many steps there are changes no step's cost.
        self.trainer = make_trainer(config, 1000, device, Engine.of(device), N_CLASSES)
        self.views = self.trainer.crops(self.images, torch.Generator().manual_seed(0))
        self.trainer.crops = lambda *_, **__: self.views

    def step(self) -> Tensor:
        return self.trainer.step(self.images, self.labels)["loss"]


class LightlyRival:
    """lightly's heads and losses on timm's ViT, as lightly's examples put them together."""

    def __init__(self, config: TrainConfig, views: tuple[Tensor, ...], device: torch.device):
        c, self.config = config, config
        n = c.batch_size
        self.views = [v.to(device) for some in views if len(some) for v in some.split(n)]
        self.labels = (torch.arange(n) % N_CLASSES).to(device)
        self.student = nn.ModuleDict({"backbone": timm_backbone(c), "head": self._head(c)})
        self.loss = getattr(self, f"_{c.objective}")(c)
        self.student.to(device)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.student), lr=1e-3)

    def step(self) -> Tensor:
        from lightly.models.utils import update_momentum

        value = self.loss()
        self.optimizer.zero_grad()
        value.backward()
        for p in self.student.parameters():
            if p.grad is not None:
                nn.utils.clip_grad_norm_([p], self.config.clip_grad)
        self.optimizer.step()
        if self.config.objective in ("moco", "byol"):
            update_momentum(self.student, self.teacher, m=0.99)
        return value.detach()

    def _head(self, c: TrainConfig) -> nn.Module:
        import torchvision
        from lightly.models.modules import (
            BYOLProjectionHead,
            MoCoProjectionHead,
            SimCLRProjectionHead,
            SwaVProjectionHead,
        )

        widths = (c.embed_dim, c.hidden_dim, c.bottleneck_dim)
        return {
            "supervised": lambda: nn.Linear(c.embed_dim, N_CLASSES),
            "simclr": lambda: SimCLRProjectionHead(*widths, batch_norm=False),
            "moco": lambda: MoCoProjectionHead(*widths),
            "byol": lambda: BYOLProjectionHead(*widths),
            "swav": lambda: SwaVProjectionHead(*widths),
            "mae": nn.Identity,
            "lejepa": lambda: torchvision.ops.MLP(
                c.embed_dim, [c.hidden_dim, c.hidden_dim, c.bottleneck_dim], nn.BatchNorm1d
            ),
        }[c.objective]()

    def _answers(self, views: list[Tensor]) -> list[Tensor]:
        return [self.student["head"](self.student["backbone"](v)) for v in views]

    @torch.no_grad()
    def _targets(self, views: list[Tensor]) -> list[Tensor]:
        return [self.teacher["head"](self.teacher["backbone"](v)) for v in views]

    def _supervised(self, c: TrainConfig) -> Callable[[], Tensor]:
        return lambda: sum(F.cross_entropy(a, self.labels) for a in self._answers(self.views)) / 2

    def _simclr(self, c: TrainConfig) -> Callable[[], Tensor]:
        from lightly.loss import NTXentLoss

        loss = NTXentLoss(temperature=c.student_temp)
        return lambda: loss(*self._answers(self.views))

    def _moco(self, c: TrainConfig) -> Callable[[], Tensor]:
        from lightly.loss import NTXentLoss

        loss = NTXentLoss(
            temperature=c.student_temp, memory_bank_size=(c.queue_length, c.bottleneck_dim)
        )
        first, second = self.views
        return lambda: loss(*self._answers([first]), *self._targets([second]))

    def _byol(self, c: TrainConfig) -> Callable[[], Tensor]:
        from lightly.loss import NegativeCosineSimilarity
        from lightly.models.modules import BYOLPredictionHead

        cosine = NegativeCosineSimilarity()
        predict = BYOLPredictionHead(c.bottleneck_dim, c.hidden_dim, c.bottleneck_dim)
        self.student["predictor"] = predict

        def loss() -> Tensor:
            p, q = (self.student["predictor"](a) for a in self._answers(self.views))
            z, y = self._targets(self.views)
            return (cosine(p, y) + cosine(q, z)) / 2

        return loss

    def _swav(self, c: TrainConfig) -> Callable[[], Tensor]:
        from lightly.loss import SwaVLoss
        from lightly.models.modules import SwaVPrototypes

        loss = SwaVLoss(temperature=c.student_temp)
        self.student["prototypes"] = SwaVPrototypes(c.bottleneck_dim, c.out_dim)

        def value() -> Tensor:
            self.student["prototypes"].normalize()
            unit = [F.normalize(a, dim=1) for a in self._answers(self.views)]
            scores = [self.student["prototypes"](u) for u in unit]
            return loss(scores[:2], scores[2:]).squeeze()

        return value

    def _mae(self, c: TrainConfig) -> Callable[[], Tensor]:
        from lightly.models import utils
        from lightly.models.modules import (
            MaskedVisionTransformerDecoderTIMM,
            MaskedVisionTransformerTIMM,
        )

        sizes, p = MaskedAutoencoder(c).decoder, c.patch_size  # as wide and as deep as ours
        width, patches = sizes.embed.out_features, (c.global_size // p) ** 2
        net = self.student
        net["backbone"] = MaskedVisionTransformerTIMM(net["backbone"])
        net["head"] = nn.Linear(c.embed_dim, width)
        net["decoder"] = MaskedVisionTransformerDecoderTIMM(
            patches, width, len(sizes.blocks), c.num_heads
        )
        net["pixels"] = nn.Linear(width, 3 * p * p)

        def loss() -> Tensor:
            (images,) = self.views
            size = (len(images), 1 + patches)
            keep, hide = utils.random_token_mask(size, HIDDEN, device=images.device)
            seen = net["head"](net["backbone"].encode(images, idx_keep=keep))
            gaps = utils.repeat_token(net["decoder"].mask_token, size)
            painted = net["decoder"](utils.set_at_index(gaps, keep, seen))
            painted = net["pixels"](utils.get_at_index(painted, hide))
            pixels = utils.get_at_index(utils.patchify(images, p), hide - 1)
            return F.mse_loss(painted, utils.normalize_mean_var(pixels))

        return loss

    def _lejepa(self, c: TrainConfig) -> Callable[[], Tensor]:
        from lightly.loss import LeJEPALoss

        self.student["loss"] = LeJEPALoss(sigreg_num_vectors=DIRECTIONS)

        def value() -> Tensor:
            answers = self._answers(self.views)
            both = torch.stack(answers[:2]), torch.stack(answers[2:])
            return self.student["loss"](global_proj=both[0], local_proj=both[1])

        return value
