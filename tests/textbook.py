"""DINO written out once more, in float64 and with none of the package's code.

Every function follows the equations term by term and takes a state dict of plain tensors, so
that what the package computes in batched, fused and float32 operations has something slow and
obvious to be compared with. ``parity.py`` makes the comparisons.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Weights = dict[str, Tensor]


# ---------------------------------------------------------------- the network


def cubic_matrix(size_in: int, size_out: int, scale: float | None = None) -> Tensor:
    """Bicubic interpolation of a row, as a (size_out, size_in) matrix: Keys with a = -3/4.

    Pixel centres lie at half-integers, taps beyond the edge repeat it, nothing is smoothed.
    ``scale`` is input pixels per output pixel, by default such that both rows are as long.
    """
    a, scale = -0.75, size_in / size_out if scale is None else scale
    matrix = torch.zeros(size_out, size_in, dtype=torch.float64)
    for i in range(size_out):
        at = (i + 0.5) * scale - 0.5
        for tap in range(math.floor(at) - 1, math.floor(at) + 3):
            t = abs(at - tap)
            if t <= 1:
                weight = (a + 2) * t**3 - (a + 3) * t**2 + 1
            else:
                weight = a * (t**3 - 5 * t**2 + 8 * t - 4)
            matrix[i, min(max(tap, 0), size_in - 1)] += weight
    return matrix


def positions(pos_embed: Tensor, h: int, w: int) -> Tensor:
    """(1, 1 + side^2, D) learned positions -> (1 + h*w, D)."""
    side = math.isqrt(pos_embed.shape[1] - 1)
    grid = pos_embed[0, 1:].double().view(side, side, -1)
    rows, columns = cubic_matrix(side, h), cubic_matrix(side, w)
    grid = torch.einsum("ij,jkd,lk->ild", rows, grid, columns)
    return torch.cat([pos_embed[0, :1].double(), grid.flatten(0, 1)])


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    centered = x - x.mean(dim=-1, keepdim=True)
    return centered / (centered.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt() * gain + bias


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def vit(p: Weights, images: Tensor, patch: int, heads: int) -> Tensor:
    """(B, 3, H, W) -> (B, D), the [CLS] token after the final norm."""
    b, _, height, width = images.shape
    h, w = height // patch, width // patch
    cut = images.unfold(2, patch, patch).unfold(3, patch, patch).permute(0, 2, 3, 1, 4, 5)
    x = cut.reshape(b, h * w, -1) @ p["patch_embed.proj.weight"].flatten(1).T
    x = torch.cat([p["cls_token"].expand(b, 1, -1), x + p["patch_embed.proj.bias"]], dim=1)
    x = x + positions(p["pos_embed"], h, w)
    dim = x.shape[-1]
    size = dim // heads
    for i in range(sum(name.endswith("norm1.weight") for name in p)):
        q = {n.removeprefix(f"blocks.{i}."): t for n, t in p.items() if f"blocks.{i}." in n}
        y = layer_norm(x, q["norm1.weight"], q["norm1.bias"])
        y = y @ q["attn.qkv.weight"].T + q["attn.qkv.bias"]
        mixed = []
        for head in range(heads):
            query, key, value = (
                y[..., part * dim + head * size : part * dim + (head + 1) * size]
                for part in range(3)
            )
            scores = (query @ key.transpose(1, 2)) / math.sqrt(size)
            weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
            mixed.append(weights @ value)
        x = x + torch.cat(mixed, dim=-1) @ q["attn.proj.weight"].T + q["attn.proj.bias"]
        y = layer_norm(x, q["norm2.weight"], q["norm2.bias"])
        y = gelu(y @ q["mlp.fc1.weight"].T + q["mlp.fc1.bias"])
        x = x + y @ q["mlp.fc2.weight"].T + q["mlp.fc2.bias"]
    return layer_norm(x[:, 0], p["norm.weight"], p["norm.bias"])


def head(p: Weights, x: Tensor) -> Tensor:
    """(B, D) -> (B, K): three layers, a unit vector, its products with K vectors of length g."""
    x = gelu(x @ p["mlp.0.weight"].T + p["mlp.0.bias"])
    x = gelu(x @ p["mlp.2.weight"].T + p["mlp.2.bias"])
    x = x @ p["mlp.4.weight"].T + p["mlp.4.bias"]
    x = x / x.square().sum(dim=-1, keepdim=True).sqrt()
    v = p["last_layer.weight_v"]
    return x @ (p["last_layer.weight_g"] * v / v.square().sum(dim=1, keepdim=True).sqrt()).T


# ---------------------------------------------------------------- loss and schedules


def loss(
    student: Tensor, teacher: Tensor, center: Tensor, teacher_temp: float, views: int
) -> Tensor:
    """Mean over the pairs of a global teacher view and a different student view.

    ``student`` (views * B, K) and ``teacher`` (2 * B, K) are crop-major raw logits.
    """
    student = [s / 0.1 for s in student.double().chunk(views)]
    log_p = [s - s.exp().sum(dim=-1, keepdim=True).log() for s in student]
    terms = []
    for i, t in enumerate(teacher.double().chunk(2)):
        e = ((t - center) / teacher_temp).exp()
        q = e / e.sum(dim=-1, keepdim=True)
        terms += [-(q * log_p[j]).sum(dim=-1).mean() for j in range(views) if j != i]
    return sum(terms) / len(terms)


def cosine(base: float, final: float, total: int, warmup: int = 0) -> np.ndarray:
    """One value a step: a straight line from 0, then half a cosine over the rest."""
    i = np.arange(total - warmup)
    wave = final + 0.5 * (base - final) * (1 + np.cos(np.pi * i / (total - warmup)))
    return np.concatenate([np.linspace(0, base, warmup), wave])


def temperature_by_epoch(start: float, end: float, epochs: int, warmup: int) -> np.ndarray:
    """The official teacher temperature: one value an *epoch*."""
    return np.concatenate([np.linspace(start, end, warmup), np.full(epochs - warmup, end)])


# ---------------------------------------------------------------- a step of training


class Step:
    """Student, teacher, center and AdamW's moments as dicts; ``__call__`` moves them once.

    Args:
        weights: of the student, copied; the teacher starts equal.
        forward: (weights, views) -> logits.
        frozen: names of parameters that never learn.
    """

    def __init__(self, weights: Weights, forward: Callable, frozen: set[str], clip: float):
        self.student = {n: p.detach().double().clone() for n, p in weights.items()}
        self.teacher = {n: p.clone() for n, p in self.student.items()}
        self.learns = [n for n in weights if n not in frozen]
        self.forward, self.clip = forward, clip
        k = self.student["head.last_layer.weight_v"].shape[0]
        self.center = torch.zeros(k, dtype=torch.float64)
        self.moments = dict.fromkeys(self.learns, (0.0, 0.0, 0))
        self.gradients: Weights = {}

    def __call__(
        self,
        views: list[Tensor],
        n_views: int,
        lr: float,
        decay: float,
        momentum: float,
        temp: float,
        last_layer_learns: bool,
    ) -> float:
        for n in self.learns:
            self.student[n].requires_grad_()
        with torch.no_grad():
            teacher_logits = self.forward(self.teacher, views[:1])
        value = loss(self.forward(self.student, views), teacher_logits, self.center, temp, n_views)
        found = torch.autograd.grad(value, [self.student[n] for n in self.learns])
        self.gradients = {
            n: g * min(1.0, self.clip / (g.square().sum().sqrt().item() + 1e-6))
            for n, g in zip(self.learns, found, strict=True)
            if last_layer_learns or not n.startswith("head.last_layer")
        }
        self.student = {n: p.detach() for n, p in self.student.items()}
        for n, g in self.gradients.items():
            first, second, t = self.moments[n]
            first, second, t = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2, t + 1
            self.moments[n] = first, second, t
            p = self.student[n]
            if p.ndim > 1:  # neither biases nor norms
                p = p - lr * decay * p
            self.student[n] = p - lr * (first / (1 - 0.9**t)) / (
                (second / (1 - 0.999**t)).sqrt() + 1e-8
            )
        for n, p in self.student.items():
            self.teacher[n] = momentum * self.teacher[n] + (1 - momentum) * p
        self.center = 0.9 * self.center + 0.1 * teacher_logits.mean(dim=0)
        return value.item()


# ---------------------------------------------------------------- evaluation


def knn(bank: Tensor, labels: Tensor, queries: Tensor, k: int, temperature: float) -> list[int]:
    """Each of the k nearest votes for its label with exp(cosine / temperature)."""
    bank, queries = (
        x.double() / x.double().square().sum(dim=1, keepdim=True).sqrt() for x in (bank, queries)
    )
    answers = []
    for cosines in queries @ bank.T:
        votes: dict[int, float] = {}
        ranked = sorted(zip(cosines.tolist(), labels.tolist(), strict=True), reverse=True)
        for similarity, label in ranked[:k]:
            votes[label] = votes.get(label, 0.0) + math.exp(similarity / temperature)
        answers.append(max(votes, key=votes.get))
    return answers
