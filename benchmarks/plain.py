"""The plain form of each optimisation: the same numbers, written as anybody would.

``tests/test_benchmark.py`` holds that each gives the loss and the gradients of the fast form.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from minidino import vit
from minidino.config import TrainConfig
from minidino.engine.settings import Engine


def forward(model: vit.VisionTransformer, images: Tensor) -> Tensor:
    """Every token through every block, then [CLS]."""
    return model.forward_features(images)[:, 0]


def keys_and_values(attention: vit.Attention, x: Tensor) -> Tensor:
    """A key and a value of every token, and a query of [CLS]."""
    d = x.shape[-1]
    (w_q, w_kv), (b_q, b_kv) = (
        t.split([d, 2 * d]) for t in (attention.qkv.weight, attention.qkv.bias)
    )
    k, v = F.linear(x, w_kv, b_kv).chunk(2, dim=-1)
    q, k, v = (
        rearrange(t, "b n (heads d) -> b heads n d", heads=attention.num_heads)
        for t in (F.linear(x[:, :1], w_q, b_q), k, v)
    )
    return attention.proj(rearrange(vit.attend(q, k, v), "b heads n d -> b n (heads d)"))


def fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch's own, whatever the width of a head."""
    return F.scaled_dot_product_attention(q, k, v)


def written_out_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The N x N matrix in memory."""
    return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1) @ v


def has_narrow_heads(config: TrainConfig, device: torch.device) -> bool:
    """Does ``vit.attend`` do without the fused kernel here?"""
    return device.type == "cpu" and config.embed_dim // config.num_heads < 16


def only_as_asked(engine: Engine, *_) -> int:
    """No more parts than are asked for, however large they are."""
    return engine.accumulate


def pair_by_pair(student: Tensor, q: Tensor) -> Tensor:
    """A log-softmax and a product for each pair of views."""
    terms = [
        -(q[i] * F.log_softmax(student[j], dim=-1)).sum(dim=-1).mean()
        for i in range(len(q))
        for j in range(len(student))
        if i != j
    ]
    return torch.stack(terms).mean()


@torch.no_grad()
def looped_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Tensor by tensor."""
    for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
        t.mul_(momentum).add_(s, alpha=1 - momentum)


@torch.no_grad()
def looped_clipping(parameters: list[nn.Parameter], max_norm: float) -> None:
    """Tensor by tensor, each norm read back to the host."""
    for p in parameters:
        if p.grad is not None:
            scale = max_norm / (p.grad.norm().item() + 1e-6)
            if scale < 1:
                p.grad.mul_(scale)
