"""DINO on one page: a Vision Transformer learns to see without labels (arXiv 2104.14294).

    python dino.py    # draws its own pictures; about three minutes on two CPU cores

A student sees large and small crops of a picture, a teacher only the large ones, and the student
learns to answer as the teacher does. Crops of one picture share little but the thing in it, so
that is what both must find. The teacher is the student, averaged over its past. The last line,
like k-NN 97.0% (random weights 85.0%), says how often a picture's neighbours are of its kind. No
label was seen before that count.
"""

import argparse
import copy
import math
import time
from collections import OrderedDict

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from minidino.data import load_data

# Views: size, share of the picture's area, chance of blur, of solarizing. The first 2 are global.
VIEWS = [(36, (0.4, 1), 0.5, 0), (36, (0.4, 1), 0.1, 0.2), *4 * [(18, (0.15, 0.5), 0.2, 0)]]
MEAN, STD = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Linear(nn.Linear):
    def reset_parameters(self):
        nn.init.trunc_normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)


class Block(nn.Module):  # pre-norm; without stochastic depth, which so few blocks do not need
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": Linear(dim, 3 * dim), "proj": Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": Linear(dim, 4 * dim), "fc2": Linear(4 * dim, dim)})

    def forward(self, x):  # (B, N, D)
        qkv = self.attn.qkv(self.norm1(x))
        q, k, v = rearrange(qkv, "b n (three h d) -> three b h n d", three=3, h=self.heads)
        attention = (q / math.sqrt(q.shape[-1]) @ k.mT).softmax(dim=-1)  # (B, h, N, N)
        x = x + self.attn.proj(rearrange(attention @ v, "b h n d -> b n (h d)"))
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class ViT(nn.Module):  # parameters have the official names, so that released weights load
    def __init__(self, image_size=224, patch_size=16, dim=384, depth=12, heads=6):
        super().__init__()
        self.grid = image_size // patch_size
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + self.grid**2, dim))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, patch_size, patch_size)})
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, images):  # (B, 3, H, W)
        x = self.patch_embed.proj(images)  # (B, D, h, w)
        grid = rearrange(self.pos_embed[:, 1:], "1 (h w) d -> 1 d h w", h=self.grid)
        x = x + F.interpolate(grid, size=x.shape[-2:], mode="bicubic")  # local views: smaller grid
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([cls, rearrange(x, "b d h w -> b (h w) d")], dim=1)  # (B, 1 + h*w, D)
        return self.norm(self.blocks(x))[:, 0]  # (B, D): [CLS], which has looked at all patches


def view(images, size, scale, blur_p, solarize_p):  # (B, 3, S, S) in 0..1 -> (B, 3, size, size)
    draws = torch.rand(12, len(images), 1, 1, 1)  # each image has its own
    area, aspect, flip, jitter, hue, color, light, contrast, gray, blur, sigma, solarize = draws
    side, stretch = (scale[0] + (scale[1] - scale[0]) * area).sqrt(), (4 / 3) ** (aspect - 0.5)
    length = torch.stack([side / stretch, side * stretch]).clamp(max=1)  # of height and width
    start = torch.rand_like(length) * (1 - length)
    # Crop, resize and blur at once: a pixel is the mean of those around it, under a Gaussian.
    # The official code resizes bicubically, blurs last, and more: up to 2 px in views of 224.
    old, new = ((torch.arange(n) + 0.5) / n for n in (images.shape[-1], size))
    away = (start + length * new[:, None] - old) * size / length  # (2, B, 1, size, S), in new px
    variance = 0.2 + (blur < blur_p) * (0.1 + 0.9 * sigma) ** 2
    rows, columns = (-(away**2) / (2 * variance)).softmax(dim=-1)
    x = rows @ images @ torch.where(flip < 0.5, columns, columns.flip(2)).mT
    # Colours turn about the axis of grays and leave or near it; officially they do so in HSV.
    turn = [0.2 * hue - 0.1 - i / 3 for i in range(3)]
    wheel = [(1 + 2 * (0.8 + 0.4 * color) * torch.cos(math.tau * t)) / 3 for t in turn]
    y = (0.6 + 0.8 * light) * sum(w * x.roll(i, dims=1) for i, w in enumerate(wheel))
    y = torch.lerp(y.mean(dim=(1, 2, 3), keepdim=True), y, 0.6 + 0.8 * contrast)
    x = torch.where(jitter < 0.8, y, x)
    x = torch.where(gray < 0.2, x.mean(dim=1, keepdim=True), x).clamp(0, 1)
    x = torch.where((solarize < solarize_p) & (x > 0.5), 1 - x, x)
    return ((x - MEAN) / STD).to(DEVICE)


class Head(nn.Module):  # the cosines with K prototypes
    def __init__(self, dim, k=65536, hidden=2048, bottleneck=256):
        super().__init__()
        layers = [Linear(dim, hidden), nn.GELU(), Linear(hidden, hidden), nn.GELU()]
        self.mlp = nn.Sequential(*layers, Linear(hidden, bottleneck))
        g = nn.Parameter(torch.ones(k, 1), requires_grad=False)  # a longer one would win more often
        v = nn.Parameter(0.02 * torch.randn(k, bottleneck))
        self.last_layer = nn.ParameterDict({"weight_g": g, "weight_v": v})

    def forward(self, x):  # (n, D)
        prototypes = self.last_layer.weight_g * F.normalize(self.last_layer.weight_v, dim=1)
        return F.normalize(self.mlp(x), dim=1) @ prototypes.T  # (n, K)


# Logits are (B, K) for each view. The temperature sharpens a target: alone it would end in one
# answer to all pictures. The center flattens it: alone it would end in none. Together they hold.
def dino_loss(student_logits, teacher_logits, center, teacher_temp, student_temp=0.1):
    q = [((t - center) / teacher_temp).softmax(dim=-1) for t in teacher_logits]
    log_p = [(s / student_temp).log_softmax(dim=-1) for s in student_logits]
    pairs = [(i, j) for i in range(len(q)) for j in range(len(log_p)) if i != j]
    return -sum((q[i] * log_p[j]).sum(dim=-1).mean() for i, j in pairs) / len(pairs)


def cosine(step, base, final, total, warmup=0):
    if step < warmup:
        return base * step / max(warmup - 1, 1)
    return final + (base - final) * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2


class Dino:
    def __init__(self, backbone, head):
        self.student = nn.Sequential(OrderedDict(backbone=backbone, head=head))
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.center = 0.0  # (K,) from the first step on
        matrices = [p for p in self.student.parameters() if p.ndim > 1]
        vectors = [p for p in self.student.parameters() if p.ndim == 1]  # these do not decay
        self.optimizer = torch.optim.AdamW([{"params": matrices}, {"params": vectors}])

    def step(self, views, lr, weight_decay, momentum, teacher_temp, freeze_last, clip=3.0):
        teacher_logits = [self.teacher(v) for v in views[:2]]  # the global ones
        student_logits = [self.student(v) for v in views]
        loss = dino_loss(student_logits, teacher_logits, self.center, teacher_temp)
        self.optimizer.zero_grad()
        loss.backward()
        for p in self.student.parameters():
            nn.utils.clip_grad_norm_(p, clip)  # each on its own
        if freeze_last:
            self.student.head.last_layer.weight_v.grad = None
        for group, decay in zip(self.optimizer.param_groups, (weight_decay, 0.0), strict=True):
            group.update(lr=lr, weight_decay=decay)
        self.optimizer.step()
        for t, s in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            t.data = momentum * t.data + (1 - momentum) * s.data
        self.center = 0.9 * self.center + 0.1 * torch.cat(teacher_logits).mean(dim=0)
        return loss.item()


def knn(bank, labels, queries, k=20, temperature=0.07):
    similarity, nearest = (F.normalize(queries) @ F.normalize(bank).T).topk(min(k, len(bank)))
    votes = F.one_hot(labels)[nearest] * (similarity / temperature).exp()[..., None]  # (M, k, C)
    return votes.sum(dim=1).argmax(dim=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, default in (("--data", "things"), ("--minutes", 5.0), ("--seed", 0)):
        parser.add_argument(name, type=type(default), default=default)
    args, began = parser.parse_args(), time.time()
    torch.manual_seed(args.seed)
    try:
        train, bank, test = (
            load_data(args.data, split, 60, max_images=n, seed=args.seed)
            for split, n in (("train", 8000), ("labelled", 5000), ("test", 2000))
        )
    except Exception as error:
        parser.error(str(error))
    labelled = bank.labels is not None and test.labels is not None

    @torch.no_grad()
    def score(backbone):
        parts = (((d.images / 255 - MEAN) / STD).split(32) for d in (bank, test))
        f, g = (torch.cat([backbone(x.to(DEVICE)).cpu() for x in xs]) for xs in parts)
        return 100 * (knn(f, bank.labels, g) == test.labels).float().mean().item()

    dino = Dino(ViT(36, 6, 96, 3, 12).to(DEVICE), Head(96, 512, 256, 64).to(DEVICE))
    before = score(dino.teacher.backbone) if labelled else None
    seconds, start = 60 * args.minutes - 2 * (time.time() - began), time.time()
    step, total = 0, 4 * len(train.images) // 64
    while step < total:
        images = train.images[torch.randint(len(train.images), (64,))] / 255
        views = [view(images, *settings) for settings in VIEWS]
        lr = cosine(step, 1e-3, 1e-6, total, total // 4)
        decay, momentum = cosine(step, 0.04, 0.4, total), cosine(step, 0.985, 1.0, total)
        loss = dino.step(views, lr, decay, momentum, 0.04, freeze_last=step < total // 4)
        step += 1
        speed = step / (time.time() - start)
        if step == 20:  # where time is short, fewer: the schedules must come to their end
            total = min(total, int(speed * seconds))
        if step % 50 == 0:
            print(f"step {step}/{total}  loss {loss:.3f}  {64 * speed:.0f} images/s", flush=True)
    if not labelled:
        parser.exit(0, "no labels (a folder per class), so no k-NN\n")
    after = score(dino.teacher.backbone)
    print(f"k-NN {after:.1f}% (random weights {before:.1f}%)")
    raise SystemExit(args.data == "things" and after < 95)
