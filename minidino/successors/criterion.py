"""DINO's loss with pieces of its successors: each adds a term, or makes targets another way."""

import copy

import torch
from torch import Tensor, nn

from minidino.config import TrainConfig
from minidino.engine import distributed
from minidino.loss import DINOLoss
from minidino.successors.gram import WEIGHT as GRAM_WEIGHT
from minidino.successors.gram import gram_loss
from minidino.successors.ibot import hidden_patches, patch_loss
from minidino.successors.koleo import koleo
from minidino.successors.sinkhorn import SinkhornLoss


class Criterion(nn.Module):
    """DINO's loss, and what each piece adds to it."""

    def __init__(self, config: TrainConfig, backbone: nn.Module):
        super().__init__()
        c = self.config = config
        kind = SinkhornLoss if c.centering == "sinkhorn" else DINOLoss
        self.dino = kind(c.out_dim, c.student_temp, c.center_momentum, c.pair_loss == "mse")
        if c.ibot:
            self.patches = kind(c.out_dim, c.student_temp, c.center_momentum)
        if c.gram:  # here, so that a checkpoint holds it
            self.anchor, self.anchored = copy.deepcopy(backbone).eval().requires_grad_(False), False

    def forward(
        self, teacher: nn.Module, student: nn.Module, temp: Tensor, globals_: Tensor, *views: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of some images' views, term by term, each in its weight.

        Returns:
            (terms,), DINO's first; and of each image the teacher's raw logits, (B, 2, K), to which
            iBOT adds the sum of those at hidden patches, and their number: (B, 4, K).
        """
        c = self.config
        masks, locals_ = (views[0], views[1:]) if c.ibot else (None, views)
        with torch.no_grad():
            seen = teacher(globals_, masks=masks)  # global views only, and the whole of them
        made = student(globals_, *locals_, masks=masks, hide=True)
        terms = [self.dino.score(made.logits, seen.logits, temp)]
        rows = [*seen.logits.float().chunk(2)]
        if c.koleo:  # as the official code: the sum over both views
            terms.append(c.koleo * sum(map(koleo, made.tokens[:, 0].chunk(2))))
        if c.ibot:
            term, of_patches = self.at_patches(made.patch_logits, seen.patch_logits, masks, temp)
            terms.append(c.ibot * term)
            rows += of_patches
        if c.gram and self.anchored:
            with torch.no_grad():  # as the teacher it sees the patches that iBOT hides
                anchor = self.anchor.forward_features(globals_)
            terms.append(GRAM_WEIGHT * gram_loss(made.tokens[:, 1:], anchor[:, 1:]))
        elif c.gram:
            terms.append(torch.zeros_like(terms[0]))
        return torch.stack(terms), torch.stack(rows, dim=1)

    def at_patches(
        self, student: Tensor, teacher: Tensor, masks: Tensor, temp: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """iBOT's loss of logits at hidden patches, (B, M, K), and what of them the rows keep."""
        _, real = hidden_patches(masks)
        filled, teacher = ~real[..., None], teacher.float()
        with torch.autocast(student.device.type, enabled=False):
            scores = teacher
            if self.config.centering == "sinkhorn":  # what fills up takes no prototype's share
                scores = teacher.masked_fill(filled, -torch.inf)
            q = self.patches.targets(scores.flatten(0, 1), temp).view_as(scores)
            loss = patch_loss(student.float() / self.config.student_temp, q, real)
        total = teacher.masked_fill(filled, 0.0).sum(dim=1)
        return loss, [total, real.sum(dim=1, keepdim=True).expand_as(total).float()]

    def targets(self, teacher_logits: Tensor, temp: Tensor) -> Tensor:
        return self.dino.targets(teacher_logits, temp)

    def update_center(self, rows: Tensor) -> None:
        """After the loss, from its rows: the mean over both views, and over hidden patches."""
        self.dino.update_center(rows[:, :2].flatten(0, 1))
        if self.config.ibot:
            total, number = rows[:, 2:].sum(dim=0)
            seen = distributed.mean({"total": total, "number": number})
            self.patches.update_center(seen["total"][None] / seen["number"].clamp(min=1e-9))
