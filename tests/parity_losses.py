"""The rivals' and successors' objectives beside others': ``parity.py``'s comparisons go on here."""

import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from lightly.loss import (
    IBOTPatchLoss,
    KoLeoLoss,
    LeJEPALoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    SwaVLoss,
)
from parity import normal, relative, same
from torch import Tensor

from minidino.rivals.byol import byol_loss
from minidino.rivals.moco import info_nce
from minidino.rivals.simclr import nt_xent
from minidino.rivals.swav import swav_loss
from minidino.successors import lejepa
from minidino.successors.gram import gram_loss
from minidino.successors.ibot import at, block_mask, hidden_patches, patch_loss
from minidino.successors.koleo import koleo
from minidino.successors.mae import mae_loss, patchify
from minidino.successors.sinkhorn import SinkhornLoss

IMAGES, WIDTH = 64, 32


def apart(ours: Callable, theirs: Callable, *given: Tensor) -> float:
    """The larger of two relative differences: of the losses, and of their gradients."""
    found = []
    for loss in (ours, theirs):
        x = [v.clone().requires_grad_() for v in given]
        value = loss(*x).squeeze()
        found.append((value, torch.autograd.grad(value, x)))
    (a, of_a), (b, of_b) = found
    return max(
        relative(a[None], b[None]), *(relative(x, y) for x, y in zip(of_a, of_b, strict=True))
    )


@same("SimCLR: NT-Xent, value and gradient", "lightly, float32", 1e-5)
def simclr() -> float:
    theirs = NTXentLoss(temperature=0.2)
    return apart(
        lambda a, b: nt_xent(torch.cat([a, b]), 0.2),
        theirs,
        normal(IMAGES, WIDTH),
        normal(IMAGES, WIDTH, seed=1),
    )


@same("MoCo v2: InfoNCE with a queue, value and gradient", "the equation, float64", 1e-5)
def moco() -> float:
    k, queue = normal(IMAGES, WIDTH, seed=1), F.normalize(normal(256, WIDTH, seed=2), dim=1)

    def equation(q: Tensor) -> Tensor:
        unit = [F.normalize(x.double(), dim=1) for x in (q, k)]
        positive = (unit[0] * unit[1]).sum(1) / 0.2
        every = torch.cat([positive[:, None], unit[0] @ queue.double().T / 0.2], dim=1)
        return -(positive - every.exp().sum(1).log()).mean()

    return apart(lambda q: info_nce(q, k, queue, 0.2), equation, normal(IMAGES, WIDTH))


@same("BYOL: value and gradient", "lightly's cosine both ways, float32", 1e-5)
def byol() -> float:
    z, cosine = normal(IMAGES, WIDTH, seed=1), NegativeCosineSimilarity()
    n = IMAGES // 2
    return apart(
        lambda p: byol_loss(p, z),
        lambda p: 4 + 2 * (cosine(p[:n], z[n:]) + cosine(p[n:], z[:n])),
        normal(IMAGES, WIDTH),
    )


@same("SwAV, 2 + 3 views: value and gradient", "lightly, float32", 1e-5)
def swav() -> float:
    scores = [F.normalize(normal(IMAGES, WIDTH, seed=i), dim=1) for i in range(5)]
    theirs = SwaVLoss(temperature=0.1)
    return apart(
        lambda *x: swav_loss(torch.cat(x), IMAGES, 0.1),
        lambda *x: theirs(list(x[:2]), list(x[2:])),
        *scores,
    )


@same("MAE: loss of the hidden patches, value and gradient", "the equation, float64", 1e-5)
def mae() -> float:
    images = normal(4, 3, 16, 16)
    hidden = torch.stack([torch.randperm(16, generator=torch.Generator().manual_seed(i))[:12]
                          for i in range(4)])  # fmt: skip

    def equation(painted: Tensor) -> Tensor:
        pixels = patchify(images, 4).double()
        target = (pixels - pixels.mean(-1, True)) / (pixels.var(-1, keepdim=True) + 1e-6).sqrt()
        off = (painted.double() - target).square().mean(-1)
        return off.gather(1, hidden).mean()

    return apart(lambda p: mae_loss(p, images, hidden), equation, normal(4, 16, 48, seed=1))


@same("LeJEPA, 2 + 4 views: value and gradient", "lightly, float32", 1e-5)
def le_jepa() -> float:
    test, theirs = lejepa.SIGReg(WIDTH), LeJEPALoss(sigreg_num_vectors=lejepa.DIRECTIONS)
    torch.manual_seed(3)
    drawn = torch.randn(WIDTH, lejepa.DIRECTIONS)
    test.directions.copy_(drawn / drawn.norm(dim=0))

    def same_directions(z: Tensor) -> Tensor:
        torch.manual_seed(3)
        views = z.view(6, IMAGES, WIDTH)
        return theirs(global_proj=views[:2], local_proj=views[2:])

    return apart(
        lambda z: lejepa.lejepa_loss(z, IMAGES, test),
        same_directions,
        2 * normal(6 * IMAGES, WIDTH),
    )


@same("KoLeo: value and gradient", "lightly, float32", 1e-5)
def ko_leo() -> float:
    return apart(koleo, KoLeoLoss(), normal(IMAGES, WIDTH))


@same("Sinkhorn in place of the center: targets", "DINOv2's iteration, float64", 1e-5)
def sinkhorn_targets() -> float:
    logits, temp = normal(IMAGES, 256) / 5, 0.04
    q = (logits.double() / temp).exp().T
    q /= q.sum()
    for _ in range(3):
        q /= q.sum(dim=1, keepdim=True) * 256
        q /= q.sum(dim=0, keepdim=True) * IMAGES
    return relative(SinkhornLoss(256).targets(logits, torch.tensor(temp)), (q * IMAGES).T)


@same("iBOT: loss of the hidden patches, value and gradient", "lightly, float32", 1e-5)
def ibot() -> float:
    n, side, k = 8, 6, 64
    masks, chance = torch.zeros(2 * n, side * side, dtype=torch.bool), random.Random(1)
    for i in range(n):
        masks[i + n * (i % 2)] = block_mask(side, 0.5, chance).flatten()
    teacher = normal(2 * n, side**2, k, seed=1) / 3
    center, theirs = normal(1, k, seed=2) / 9, IBOTPatchLoss(k, teacher_temp=0.05, student_temp=0.1)
    theirs.center.center.copy_(center)
    index, real = hidden_patches(masks)
    q = ((at(teacher, index) - center) / 0.05).softmax(dim=-1)
    return apart(
        lambda s: patch_loss(at(s, index) / 0.1, q, real),
        lambda s: theirs(teacher[masks], s[masks], masks.view(-1, side, side)),
        normal(2 * n, side**2, k) / 3,
    )


@same("Gram anchoring: value and gradient", "the equation, float64", 1e-5)
def gram() -> float:
    anchor = normal(3, 16, 6, seed=1)

    def equation(x: Tensor) -> Tensor:
        a, b = (F.normalize(v.double(), dim=-1) for v in (x, anchor))
        return (a @ a.mT - b @ b.mT).square().mean()

    return apart(lambda x: gram_loss(x, anchor), equation, normal(3, 16, 4))
