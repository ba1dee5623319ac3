"""Exercise 12.3, two resolutions in one sequence: tells apart attention across images, heads or
padding, layouts that are taken apart wrongly, and layers that are called once for each size.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from minidino.checks.core import call, check, expect, expect_any_device, expect_close, expect_tensor
from minidino.vit import Block


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def mean_block() -> Block:
    """A block whose attention is the plain mean over the tokens: x + mean(x)."""
    block = Block(2, num_heads=1, mlp_ratio=1.0, drop_path=0.0)
    block.norm1, block.norm2, block.mlp = nn.Identity(), nn.Identity(), Zero()
    with torch.no_grad():
        block.attn.qkv.weight.copy_(torch.cat([torch.zeros(4, 2), torch.eye(2)]))
        block.attn.qkv.bias.zero_()
        block.attn.proj.weight.copy_(torch.eye(2))
        block.attn.proj.bias.zero_()
    return block


INTO, BACK = "(b n) (qkv h d) -> qkv b h n d", "b h n d -> (b n) (h d)"


def _block(
    block: Block,
    x: Tensor,
    may: Tensor | None = None,
    skip: tuple[str, ...] = (),
    into: str = INTO,
    back: str = BACK,
    heads: int | None = None,
) -> Tensor:
    """A block in float64, written out: (b, n, D) -> (b, n, D).

    Args:
        may: which token may look at which.
        skip: parts left out.
        into, back: how rows become heads' queries, keys and values, and rows again, as einops
            says it; "reshape" is a reshape of each to (b, h, n, d), or back, moving nothing.
    """
    heads, (b, n, dim) = heads or block.attn.num_heads, x.shape

    def linear(x: Tensor, layer: nn.Linear) -> Tensor:
        return x @ layer.weight.double().T + layer.bias.double()

    def norm(x: Tensor, layer: nn.LayerNorm, name: str) -> Tensor:
        if name in skip:
            return x
        weight, bias = layer.weight.double(), layer.bias.double()
        return F.layer_norm(x, (dim,), weight, bias, layer.eps)

    rows = linear(norm(x, block.norm1, "norm1"), block.attn.qkv).flatten(0, 1)
    if into == "reshape":
        q, k, v = (p.reshape(b, heads, n, -1) for p in rows.chunk(3, dim=-1))
    else:
        q, k, v = rearrange(rows, into, b=b, qkv=3, h=heads)
    scores = q @ k.mT * (1.0 if "scale" in skip else (dim // heads) ** -0.5)
    if may is not None:
        scores = scores.masked_fill(~may, -math.inf)
    out = scores.softmax(-1) @ v
    out = (out if back == "reshape" else rearrange(out, back)).reshape(b, n, dim)
    out = out if "proj" in skip else linear(out, block.attn.proj)
    x = out + (0 if "residual1" in skip else x)
    if "mlp" in skip:
        return x
    hidden = F.gelu(linear(norm(x, block.norm2, "norm2"), block.mlp.fc1))
    return linear(hidden, block.mlp.fc2) + (0 if "residual2" in skip else x)


def _packed(sequences: list[Tensor]) -> Tensor:
    return torch.cat([s.double().flatten(0, 1) for s in sequences])


ALL_TOGETHER = (
    "Tokens attend across images: your attention runs over all packed tokens at once. Only "
    "the linear layers, norms and MLP may be packed; attention belongs to one image."
)
NUMBERS_REPEAT = (
    "Image i of one size attends to image i of another: your mask numbers the images of each size "
    "from 0. Number them on, from the first size to the last."
)
ONE_SIZE = (
    "Sizes are kept apart, but not the images within one size: their tokens attend to each "
    "other. Give the batch its dimension back before attention, (b, heads, n, d)."
)
OVER_IMAGES = (
    "Attention runs over the images: token j of an image attends to token j of the others. The "
    "tokens belong in the last dimension but one, (b, heads, n, d)."
)
OVER_HEADS = (
    "Attention runs over the heads: each token attends to itself alone, one head to another. The "
    "tokens belong in the last dimension but one, (b, heads, n, d)."
)
LAYOUTS = {  # what is wrong -> how q, k, v are taken from the rows, and how they come back
    OVER_HEADS: ("(b n) (qkv h d) -> qkv b n h d", "b n h d -> (b n) (h d)"),
    OVER_IMAGES: ("(b n) (qkv h d) -> qkv n h b d", "n h b d -> (b n) (h d)"),
    "A row of qkv is taken apart in the wrong order: it is all queries, then all keys, then all "
    "values, (qkv h d), not q, k and v head by head, (h qkv d).": (
        "(b n) (h qkv d) -> qkv b h n d",
        BACK,
    ),
    "Heads and their numbers are swapped in q, k and v: a row is head after head, (qkv h d), not "
    "(qkv d h).": ("(b n) (qkv d h) -> qkv b h n d", BACK),
    "Heads and their numbers are swapped on the way back: a row is head after head, (h d), not "
    "(d h).": (INTO, "b h n d -> (b n) (d h)"),
    "Heads and their numbers are swapped, on the way into attention and back: a row is head after "
    "head, (h d), not (d h).": (
        "(b n) (qkv d h) -> qkv b h n d",
        "b h n d -> (b n) (d h)",
    ),
    "Batch and tokens are swapped on the way into attention: the rows are image after image, "
    "(b n), not (n b).": ("(n b) (qkv h d) -> qkv b h n d", BACK),
    "Batch and tokens are swapped on the way back: the rows are image after image, (b n), not "
    "(n b).": (INTO, "b h n d -> (n b) (h d)"),
    "A plain reshape on the way back after attention mixes heads and tokens: heads stand before "
    "tokens there, (b, h, n, d). Move them behind first: b h n d -> (b n) (h d).": (
        INTO,
        "reshape",
    ),
    "A plain reshape to (b, heads, n, d) mixes heads and tokens: in a row of qkv the heads stand "
    "behind the tokens. Reshape to (b, n, heads, d), then transpose.": ("reshape", BACK),
    "Plain reshapes on the way into attention and back mix heads and tokens. In the rows heads "
    "stand behind tokens, in attention before them: they have to be moved.": (
        "reshape",
        "reshape",
    ),
}


def _packing_mistakes(block: Block, sequences: list[Tensor]) -> dict[str, Tensor]:
    """Results of known mistakes, each as one packed (tokens, D)."""
    wide = [s.double() for s in sequences]
    shapes = [s.shape[:2] for s in sequences]
    together = _packed(sequences)[None]
    numbers = [torch.arange(b * n) // n for b, n in shapes]  # of images, from 0 for each size
    image = torch.cat([number + 1000 * i for i, number in enumerate(numbers)])
    same = image[:, None] == image
    repeated = torch.cat(numbers)

    def each(what: Callable[[Tensor], Tensor]) -> Tensor:
        return _packed([what(s) for s in wide])

    def regrouped(s: Tensor) -> Tensor:
        """Token i of every image taken for a sequence."""
        b, n, d = s.shape
        return _block(block, s.reshape(n, b, d).transpose(0, 1)).transpose(0, 1).reshape(b, n, d)

    longest = max(n for _, n in shapes)
    padded = [_block(block, F.pad(s, (0, 0, 0, longest - s.shape[1]))) for s in wide]
    unpadded = [p[:, : s.shape[1]] for p, s in zip(padded, wide, strict=True)]
    causal = torch.ones(longest, longest).tril().bool()
    mistakes = {
        ALL_TOGETHER: _block(block, together)[0],
        ONE_SIZE: each(lambda s: _block(block, s.flatten(0, 1)[None]).view_as(s)),
        NUMBERS_REPEAT: _block(block, together, repeated[:, None] == repeated)[0],
        "Your mask is inverted: tokens attend to every image but their own. In "
        "scaled_dot_product_attention True means *may* attend.": _block(block, together, ~same)[0],
        "A sequence is made of one token of every image: batch and tokens are swapped in a "
        "reshape. The rows are image after image: (b n), not (n b).": each(regrouped),
        "Padding is attended to: the shorter sequences were filled up with zeros, and the zeros "
        "take a share of the softmax. Pack without padding, or mask the keys.": _packed(unpadded),
        "Every token sees only the tokens before it (is_causal, or a triangle of a mask). In a "
        "ViT all tokens of an image see each other.": each(
            lambda s: _block(block, s, causal[: s.shape[1], : s.shape[1]])
        ),
        "The heads are ignored: attention has one head of the whole width. Each of the "
        f"{block.attn.num_heads} has its own softmax; take block.attn.num_heads.": each(
            lambda s: _block(block, s, heads=1)
        ),
        "The scores are not scaled by 1/sqrt(head dim).": each(
            lambda s: _block(block, s, skip=("scale",))
        ),
        "The MLP is missing: a block is x + attention(norm1(x)), then x + mlp(norm2(x)).": each(
            lambda s: _block(block, s, skip=("mlp",))
        ),
    }
    for part, name in {
        "norm1": "norm1 is missing in front of the attention.",
        "norm2": "norm2 is missing in front of the MLP.",
        "residual1": "The first residual is missing: x + attention(norm1(x)).",
        "residual2": "The second residual is missing: x + mlp(norm2(x)).",
        "proj": "attn.proj is missing: what the heads gathered goes through it before it is added.",
    }.items():
        mistakes[name] = each(lambda s, part=part: _block(block, s, skip=(part,)))
    for name, (into, back) in LAYOUTS.items():
        mistakes[name] = each(lambda s, i=into, o=back: _block(block, s, into=i, back=o))
    return mistakes


def _expect_unchanged(sequences: list[Tensor], before: list[Tensor]) -> None:
    expect(
        all(torch.equal(a, b) for a, b in zip(before, sequences, strict=True)),
        "Your function changes the sequences it was given; the caller still needs them.",
    )


def _expect_sequences(got: Any, sequences: list[Tensor]) -> None:
    expect(
        isinstance(got, list | tuple),
        f"Return a list of sequences, one for each that was given; yours is a "
        f"{type(got).__name__}.",
    )
    expect(
        len(got) == len(sequences),
        f"You return {len(got)} sequences for {len(sequences)}. Does your function take any "
        "number of sizes?",
    )
    shapes, want = [tuple(g.shape) for g in got], [tuple(s.shape) for s in sequences]
    expect(
        shapes == want or shapes != want[::-1],
        "The sequences come back in the wrong order: split the packed tokens in the order in "
        "which they were packed.",
    )
    expect(
        any(s[-2:-1] != (w[1] - 1,) for s, w in zip(shapes, want, strict=True)),
        f"A token of each image is missing: {shapes}, expected {want}. The [CLS] token is packed "
        "like any other.",
    )
    for g, s in zip(got, sequences, strict=True):
        expect_tensor(g, s.shape, "(b, n, D)", what="A sequence that comes back")


@check("12.3", "two resolutions in one sequence")
@torch.no_grad()
def check_12_3(packed_block):
    # By hand: x + the mean over the tokens of its own image, (2, 0), (0, 4) and (6, 0).
    block = mean_block()
    sequences = [torch.tensor([[[1.0, 0.0], [3.0, 0.0]]]), torch.tensor([[[0.0, 4.0]], [[6.0, 0]]])]
    before = [s.clone() for s in sequences]
    got = call(packed_block, block, sequences)
    _expect_unchanged(sequences, before)
    _expect_sequences(got, sequences)
    expect_close(
        _packed(list(got)),
        torch.tensor([[3.0, 0], [5, 0], [0, 8], [12, 0]]),
        _mean_mistakes(),
        what="With a block that adds the mean over an image's tokens, the packed result",
    )

    block = Block(12, num_heads=3, mlp_ratio=2.0, drop_path=0.0)
    for p in block.parameters():
        p.normal_(std=0.6)
    sequences = [torch.randn(2, 5, 12), torch.randn(4, 3, 12)]
    before = [s.clone() for s in sequences]
    rows, hooks = _count_rows(block)
    got = call(packed_block, block, sequences)
    for hook in hooks:
        hook.remove()
    _expect_unchanged(sequences, before)
    _expect_sequences(got, sequences)
    want = _packed([_block(block, s.double()) for s in sequences])
    mistakes = _packing_mistakes(block, sequences)
    expect_close(_packed(list(got)), want, mistakes, what="The packed result of two sizes")
    tokens = len(want)
    for name, seen in rows.items():
        expect(
            len(seen) <= 1,
            f"The result is right, but {name} is called {len(seen)} times, once for each size. "
            "Pack first: one call on all tokens together is what makes the matrices large.",
        )
        expect(
            not seen or seen[0] <= tokens,
            f"The result is right, but {name} sees {sum(seen)} tokens of which {tokens} are real: "
            "the rest is padding, and it costs as much as they do. Pack the tokens in one "
            "(tokens, D) tensor; then none is needed.",
        )
    for sizes in ([(3, 4)], [(1, 2), (2, 6), (3, 1)], [(4, 3), (2, 3)]):
        sequences = [torch.randn(b, n, 12) for b, n in sizes]
        got = call(packed_block, block, sequences)
        _expect_sequences(got, sequences)
        want = _packed([_block(block, s.double()) for s in sequences])
        what = f"For sequences of the sizes {sizes}, the packed result"
        expect_close(_packed(list(got)), want, _packing_mistakes(block, sequences), what=what)
    _gradients_of_the_packed_block(packed_block, block)
    expect_any_device(lambda a, b: packed_block(block.to(a.device), [a, b])[0], *before)


def _mean_mistakes() -> dict[str, Tensor]:
    x = torch.tensor([[1.0, 0], [3, 0], [0, 4], [6, 0]])

    def mean_over(*seen: tuple[int, ...]) -> Tensor:
        """The result where token i attends to the tokens seen[i]."""
        return x + torch.stack([x[list(tokens)].mean(0) for tokens in seen])

    every = (0, 1, 2, 3)
    return {
        ALL_TOGETHER: mean_over(every, every, every, every),
        NUMBERS_REPEAT: mean_over((0, 1, 2), (0, 1, 2), (0, 1, 2), (3,)),
        ONE_SIZE: mean_over((0, 1), (0, 1), (2, 3), (2, 3)),
        OVER_IMAGES: mean_over((0,), (1,), (2, 3), (2, 3)),
        OVER_HEADS: mean_over((0,), (1,), (2,), (3,)),
        "The first residual is missing: x + attention(norm1(x)).": torch.tensor(
            [[2.0, 0], [2, 0], [0, 4], [6, 0]]
        ),
        "The second residual is missing: x + mlp(norm2(x)).": torch.zeros(4, 2),
        "Every token sees only the tokens before it (is_causal, or a triangle of a mask). In a "
        "ViT all tokens of an image see each other.": mean_over((0,), (0, 1), (2,), (3,)),
        "The attention is missing.": x,
        "Padding is attended to: the shorter sequences were filled up with zeros, and the zeros "
        "take a share of the softmax. Pack without padding, or mask the keys.": torch.tensor(
            [[3.0, 0], [5, 0], [0, 6], [9, 0]]
        ),
        "Your mask is inverted: tokens attend to every image but their own. In "
        "scaled_dot_product_attention True means *may* attend.": mean_over(
            (2, 3), (2, 3), (0, 1, 3), (0, 1, 2)
        ),
    }


def _count_rows(block: Block) -> tuple[dict[str, list[int]], list]:
    """How many rows each layer of the block is given, call by call."""
    layers = {
        "norm1": block.norm1,
        "attn.qkv": block.attn.qkv,
        "attn.proj": block.attn.proj,
        "norm2": block.norm2,
        "mlp.fc1": block.mlp.fc1,
        "mlp.fc2": block.mlp.fc2,
    }
    rows: dict[str, list[int]] = {name: [] for name in layers}

    def counting(name: str) -> Callable:
        return lambda _, given: rows[name].append(given[0].numel() // given[0].shape[-1])

    hooks = [layer.register_forward_pre_hook(counting(n)) for n, layer in layers.items()]
    return rows, hooks


@torch.enable_grad()
def _gradients_of_the_packed_block(packed_block: Callable, block: Block) -> None:
    sequences = [torch.randn(2, 5, 12), torch.randn(4, 3, 12)]
    sources = [s.clone().requires_grad_() for s in sequences]
    packed = sum(g.square().sum() for g in packed_block(block, sources))
    expect(
        packed.requires_grad,
        "No gradient flows back through your function. Is there a no_grad or a detach in it?",
    )
    block.zero_grad()
    packed.backward()
    mine = [p.grad for p in block.parameters()] + [s.grad for s in sources]
    apart = [s.clone().requires_grad_() for s in sequences]
    block.zero_grad()
    sum(_block(block, s.double()).square().sum() for s in apart).backward()
    want = [p.grad for p in block.parameters()] + [s.grad for s in apart]
    names = [n for n, _ in block.named_parameters()] + ["sequence 0", "sequence 1"]
    for name, m, w in zip(names, mine, want, strict=True):
        expect(m is not None, f"No gradient reaches {name}.")
        expect_close(m, w, what=f"The value is right; the gradient for {name}", tolerance=1e-3)
    block.zero_grad()
