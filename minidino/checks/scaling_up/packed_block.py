"""Exercise 12.3, two resolutions in one sequence: tells apart attention across images, heads or
padding, layouts that are taken apart wrongly, blocks that are wired wrongly, and layers that are
called once for each size.
"""

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import check, expect, expect_any_device, expect_tensor
from minidino.checks.mistakes import ATTENTION, Table, attend, with_piece
from minidino.vit import Block


def mean_block() -> Block:
    """A block that adds the mean of the normalised tokens: x + mean(norm1(x))."""
    block = Block(2, num_heads=1, mlp_ratio=1.0, drop_path=0.0)
    with torch.no_grad():
        for layer in (block.attn.qkv, block.attn.proj, block.mlp.fc2):
            layer.weight.zero_()
            layer.bias.zero_()
        block.attn.qkv.weight[4:] = torch.eye(2)
        block.attn.proj.weight.copy_(torch.eye(2))
    return block


# ---------------------------------------------------------------- a block, its pieces open

INTO, BACK = "(b n) (qkv h d) -> qkv b h n d", "b h n d -> (b n) (h d)"


def _wire(block: Block, x: Tensor, gather: Callable[[Tensor], Tensor]) -> Tensor:
    x = x + block.attn.proj(gather(block.norm1(x)))
    return x + block.mlp(block.norm2(x))


def _block(
    block: Block,
    x: Tensor,
    attention: Callable = attend,
    into: str | Callable = INTO,
    back: str | Callable = BACK,
    heads: int | None = None,
    wire: Callable = _wire,
) -> Tensor:
    """A block written out: (b, n, D) -> (b, n, D).

    Args:
        into, back: how rows become heads' queries, keys and values, and rows again, as einops
            says it, or functions (rows, b, n, heads) and (out).
        wire: what is done with the block's layers, and with what the heads gather.
    """
    heads, (b, n, _) = heads or block.attn.num_heads, x.shape

    def gather(tokens: Tensor) -> Tensor:
        rows = block.attn.qkv(tokens).flatten(0, 1)
        if callable(into):
            q, k, v = into(rows, b, n, heads)
        else:
            q, k, v = rearrange(rows, into, b=b, qkv=3, h=heads)
        out = attention(q, k, v)
        return (back(out) if callable(back) else rearrange(out, back)).reshape(x.shape)

    return wire(block, x, gather)


def _each(**pieces) -> Callable:
    """(block, *sequences) -> the packed result, each sequence through a block with ``pieces``."""

    def packed(block: Block, *sequences: Tensor) -> Tensor:
        return torch.cat([_block(block, s, **pieces).flatten(0, 1) for s in sequences])

    return packed


@functools.lru_cache(maxsize=4)
def _wide(block: Block) -> Block:
    return copy.deepcopy(block).double()


def _in_float64(packed: Callable) -> Callable:
    return lambda block, *sequences: packed(_wide(block), *sequences)


WIRINGS: Table = {
    "The MLP is missing: a block is x + attention(norm1(x)), then x + mlp(norm2(x)).": (
        lambda b, x, g: x + b.attn.proj(g(b.norm1(x)))
    ),
    "The attention is missing.": lambda b, x, g: x + b.mlp(b.norm2(x)),
    "norm1 is missing in front of the attention.": lambda b, x, g: _mlp(b, x + b.attn.proj(g(x))),
    "norm2 is missing in front of the MLP.": lambda b, x, g: (
        _attended(b, x, g) + b.mlp(_attended(b, x, g))
    ),
    "Both norms are missing.": lambda b, x, g: x + b.attn.proj(g(x)) + b.mlp(x + b.attn.proj(g(x))),
    "The first residual is missing: x + attention(norm1(x)).": lambda b, x, g: _mlp(
        b, b.attn.proj(g(b.norm1(x)))
    ),
    "The second residual is missing: x + mlp(norm2(x)).": lambda b, x, g: b.mlp(
        b.norm2(_attended(b, x, g))
    ),
    "Both residuals are missing.": lambda b, x, g: b.mlp(b.norm2(b.attn.proj(g(b.norm1(x))))),
    "The first residual is the normalised x. It is x itself: x + attention(norm1(x)).": (
        lambda b, x, g: _mlp(b, b.norm1(x) + b.attn.proj(g(b.norm1(x))))
    ),
    "The second residual is the normalised x. It is x itself: x + mlp(norm2(x)).": (
        lambda b, x, g: b.norm2(_attended(b, x, g)) + b.mlp(b.norm2(_attended(b, x, g)))
    ),
    "Both residuals are the normalised x. They are x itself.": lambda b, x, g: (
        (y := b.norm2(b.norm1(x) + b.attn.proj(g(b.norm1(x))))) + b.mlp(y)
    ),
    "The second residual starts from the block's input again, so what attention found is read by "
    "the MLP alone. It starts from x + attention.": lambda b, x, g: (
        x + b.mlp(b.norm2(_attended(b, x, g)))
    ),
    "The MLP reads the block's input. It comes after attention and reads x + attention.": (
        lambda b, x, g: _attended(b, x, g) + b.mlp(b.norm2(x))
    ),
    "norm1 and norm2 are swapped.": lambda b, x, g: (
        (y := x + b.attn.proj(g(b.norm2(x)))) + b.mlp(b.norm1(y))
    ),
    "norm1 stands in front of the MLP as well; that is norm2's place.": lambda b, x, g: (
        _attended(b, x, g) + b.mlp(b.norm1(_attended(b, x, g)))
    ),
    "norm2 stands in front of the attention as well; that is norm1's place.": lambda b, x, g: _mlp(
        b, x + b.attn.proj(g(b.norm2(x)))
    ),
    "The norms stand behind the residuals (post-norm). In a ViT they stand in front of each "
    "branch: x + attention(norm1(x)).": lambda b, x, g: b.norm2(
        (y := b.norm1(x + b.attn.proj(g(x)))) + b.mlp(y)
    ),
    "The MLP comes before the attention. Attention is first.": lambda b, x, g: _attended(
        b, _mlp(b, x), g
    ),
    "attn.proj is missing: what the heads gathered goes through it before it is added.": (
        lambda b, x, g: _mlp(b, x + g(b.norm1(x)))
    ),
    "attn.proj is applied after the residual is added. It is of what the heads gathered alone: x + "
    "proj(...).": lambda b, x, g: _mlp(b, b.attn.proj(x + g(b.norm1(x)))),
    "The attention is added twice.": lambda b, x, g: _mlp(b, x + 2 * b.attn.proj(g(b.norm1(x)))),
    "norm1 is applied twice.": lambda b, x, g: _mlp(b, x + b.attn.proj(g(b.norm1(b.norm1(x))))),
    "norm2 stands on the residual in place of the MLP's input.": lambda b, x, g: (
        b.norm2(y := _attended(b, x, g)) + b.mlp(y)
    ),
    "The MLP is applied twice.": lambda b, x, g: _mlp(b, _mlp(b, _attended(b, x, g))),
    "Norms without their weight and bias (F.layer_norm alone) stand in front of the branches. Call "
    "block.norm1 and block.norm2.": lambda b, x, g: (
        (y := x + b.attn.proj(g(F.layer_norm(x, x.shape[-1:]))))
        + b.mlp(F.layer_norm(y, y.shape[-1:]))
    ),
    "The MLP has no activation between its layers. Call block.mlp.": lambda b, x, g: (
        (y := _attended(b, x, g)) + b.mlp.fc2(b.mlp.fc1(b.norm2(y)))
    ),
    "The MLP has a ReLU; the block's has a GELU. Call block.mlp.": lambda b, x, g: (
        (y := _attended(b, x, g)) + b.mlp.fc2(F.relu(b.mlp.fc1(b.norm2(y))))
    ),
    "The MLP has GELU's approximation by tanh; the block's has GELU itself. Call block.mlp.": (
        lambda b, x, g: (
            (y := _attended(b, x, g)) + b.mlp.fc2(F.gelu(b.mlp.fc1(b.norm2(y)), approximate="tanh"))
        )
    ),
    "attn.proj is applied twice.": lambda b, x, g: _mlp(
        b, x + b.attn.proj(b.attn.proj(g(b.norm1(x))))
    ),
}


def _attended(b: Block, x: Tensor, gather: Callable) -> Tensor:
    return x + b.attn.proj(gather(b.norm1(x)))


def _mlp(b: Block, x: Tensor) -> Tensor:
    return x + b.mlp(b.norm2(x))


def _as(*shape: str, swap: tuple[int, int] | None = None, at: int = 0) -> Callable:
    """q, k, v by a plain reshape of the rows to ``shape``, a swap, and dimension ``at`` taken."""

    def into(rows: Tensor, b: int, n: int, h: int) -> tuple[Tensor, ...]:
        sizes = {"b": b, "n": n, "h": h, "3": 3, "d": rows.shape[-1] // (3 * h)}
        x = rows.reshape([sizes[s] for s in shape])
        return (x.transpose(*swap) if swap else x).unbind(at)

    return into


def _thirds_reshaped(rows: Tensor, b: int, n: int, h: int) -> list[Tensor]:
    return [p.reshape(b, h, n, -1) for p in rows.chunk(3, dim=-1)]


def _straight(out: Tensor) -> Tensor:
    return out


MOVES = (
    "A reshape moves nothing: in the rows lie images, then tokens, in the columns q, k and v, "
    "then heads. Reshape to (b, n, 3, heads, d), then permute."
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
    "A row of qkv is taken apart in the wrong order: q, k and v stand in front, (qkv h d), not "
    "behind, (h d qkv).": ("(b n) (h d qkv) -> qkv b h n d", BACK),
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
    "A sequence is made of one token of every image: batch and tokens are swapped, into attention "
    "and back. The rows are image after image: (b n), not (n b).": (
        "(n b) (qkv h d) -> qkv b h n d",
        "b h n d -> (n b) (h d)",
    ),
    "A plain reshape on the way back after attention mixes heads and tokens: heads stand before "
    "tokens there, (b, h, n, d). Move them behind first: b h n d -> (b n) (h d).": (
        INTO,
        _straight,
    ),
    "A plain reshape to (b, heads, n, d) mixes heads and tokens: in a row of qkv the heads stand "
    "behind the tokens. Reshape to (b, n, heads, d), then transpose.": (_thirds_reshaped, BACK),
    "Plain reshapes on the way into attention and back mix heads and tokens. In the rows heads "
    "stand behind tokens, in attention before them: they have to be moved.": (
        _thirds_reshaped,
        _straight,
    ),
    **{
        f"The rows of qkv are reshaped to ({', '.join(shape)}){also}. {MOVES}": (
            _as(*shape, swap=swap, at=shape.index("3")),
            back,
        )
        for shape, swap in (
            (("b", "3", "h", "n", "d"), None),
            (("3", "b", "h", "n", "d"), None),
            (("b", "h", "n", "3", "d"), None),
            (("b", "3", "n", "h", "d"), (2, 3)),
            (("3", "b", "n", "h", "d"), (2, 3)),
        )
        for also, back in (("", BACK), (", and straight back", _straight))
    },
}


# ---------------------------------------------------------------- packing

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
PADDED = (
    "Padding is attended to: the shorter sequences were filled up with zeros, and the zeros take "
    "a share of the softmax. Pack without padding, or mask the keys."
)


def _masked(may: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """All tokens as one image; which look at which says ``may``(image, size) of the tokens."""

    def packed(block: Block, *sequences: Tensor) -> Tensor:
        number = [torch.arange(s.shape[0] * s.shape[1]) // s.shape[1] for s in sequences]
        size = torch.cat([torch.full_like(n, i) for i, n in enumerate(number)])
        mask = may(torch.cat(number), size)

        def attention(q, k, v):
            scores = q @ k.mT * q.shape[-1] ** -0.5
            return scores.masked_fill(~mask, -math.inf).softmax(-1).nan_to_num() @ v

        together = torch.cat([s.flatten(0, 1) for s in sequences])[None]
        return _block(block, together, attention)[0]

    return packed


def _masked_late(block: Block, *sequences: Tensor) -> Tensor:
    """The mask multiplied after the softmax."""
    image = torch.arange(sum(len(s) for s in sequences))
    image = image.repeat_interleave(torch.tensor([s.shape[1] for s in sequences for _ in s]))

    def attention(q, k, v):
        return ((q @ k.mT * q.shape[-1] ** -0.5).softmax(-1) * _equal(image)) @ v

    return _block(block, torch.cat([s.flatten(0, 1) for s in sequences])[None], attention)[0]


def _regrouped(into: bool, back: bool) -> Callable:
    """Tokens packed, or given back, as the first of every image, then the second, ..."""

    def through(block: Block, s: Tensor) -> Tensor:
        b, n, _ = s.shape
        out = _block(block, s.transpose(0, 1).reshape(s.shape) if into else s)
        return out.reshape(n, b, -1).transpose(0, 1) if back else out

    return lambda block, *sequences: torch.cat(
        [through(block, s).reshape(-1, s.shape[-1]) for s in sequences]
    )


def _equal(x: Tensor) -> Tensor:
    return x[:, None] == x


def _padded(after_qkv: bool) -> Callable:
    def packed(block: Block, *sequences: Tensor) -> Tensor:
        longest = max(s.shape[1] for s in sequences)

        def through(s: Tensor) -> Tensor:
            more = longest - s.shape[1]
            if not after_qkv:
                return _block(block, F.pad(s, (0, 0, 0, more)))[:, : s.shape[1]]
            return _block(
                block,
                s,
                lambda q, k, v: attend(q, *(F.pad(t, (0, 0, 0, more)) for t in (k, v))),
            )

        return torch.cat([through(s).flatten(0, 1) for s in sequences])

    return packed


def _cut_at(step: Callable, into: bool, out: bool, turned: bool = False) -> Callable:
    """Rows of a sequence cut out where ``step``(b, n) rows after those of the one before begin."""

    def packed(block: Block, *sequences: Tensor) -> Tensor:
        shapes = [s.shape[:2] for s in sequences]
        rows = [b * n for b, n in shapes]
        starts = [sum(step(b, n) for b, n in shapes[:i]) for i in range(len(shapes))]

        def cut(x: Tensor, here: bool) -> list[Tensor]:
            if not here:
                return list(x.split(rows))
            return [x[a : a + n] for a, n in zip(starts, rows, strict=True)]

        def gather(tokens: Tensor) -> Tensor:
            outs = []
            for part, (b, _) in zip(cut(block.attn.qkv(tokens), into), shapes, strict=True):
                q, k, v = rearrange(part, INTO, b=b, qkv=3, h=block.attn.num_heads)
                outs.append(rearrange(attend(q, k, v), BACK))
            return torch.cat(outs[::-1] if turned else outs)

        x = torch.cat([s.flatten(0, 1) for s in sequences])
        return torch.cat(cut(_wire(block, x, gather), out))

    return packed


def _two_only(block: Block, *sequences: Tensor) -> Tensor:
    _, _ = sequences
    return _each()(block, *sequences)


def _packing_mistakes() -> Table:
    attention = {  # attend scales by itself, which whoever scales before it may not know
        (
            "You divided the scores by d, or scaled twice: attend and scaled_dot_product_attention "
            "scale by 1/sqrt(d) themselves."
            if words.startswith("You divided by d,")
            else words
        ): piece
        for words, piece in ATTENTION.items()
    }
    table = {
        ALL_TOGETHER: _masked(lambda image, size: torch.ones(len(image), len(image)).bool()),
        ONE_SIZE: _masked(lambda image, size: _equal(size)),
        NUMBERS_REPEAT: _masked(lambda image, size: _equal(image)),
        "Your mask is inverted: tokens attend to every image but their own. In "
        "scaled_dot_product_attention True means *may* attend.": _masked(
            lambda image, size: ~(_equal(image) & _equal(size))
        ),
        "Your mask is multiplied after the softmax, so that a token's weights no longer sum to 1. "
        "Scores of other images are set to -inf before it.": _masked_late,
        "Tokens are packed in another order than image after image: transposed, then flattened.": (
            _regrouped(into=True, back=False)
        ),
        "Tokens are given back in another order than image after image: (N, B), then transposed.": (
            _regrouped(into=False, back=True)
        ),
        "Tokens are packed as the first of every image, then the second, and given back so. "
        "Attention takes the rows for image after image.": _regrouped(into=True, back=True),
        "Each weight is a sigmoid, which looks at one score alone. A softmax weighs the keys "
        "against each other.": _each(
            attention=lambda q, k, v: torch.sigmoid(q @ k.mT * q.shape[-1] ** -0.5) @ v
        ),
        "The values are added to what attention gathers.": _each(
            attention=lambda q, k, v: attend(q, k, v) + v
        ),
        **{
            f"Attention is computed with {', '.join('qkv'[i] for i in at)} in place of q, k, v.": (
                _each(attention=lambda *qkv, at=at: attend(*(qkv[i] for i in at)))
            )
            for at in ((0, 1, 0), (0, 1, 1), (0, 2, 2), (0, 0, 0), (1, 1, 1), (2, 2, 2))
        },
        "Only [CLS] asks: all tokens get what it found. Each token has a query of its own.": _each(
            attention=lambda q, k, v: attend(q[:, :, :1], k, v).expand_as(q)
        ),
        **{
            f"The number of heads is written in as {n}. Take block.attn.num_heads.": _each(heads=n)
            for n in (3, 6, 12)
        },
        PADDED: _padded(after_qkv=False),
        f"{PADDED} (Zeros among the keys have scores of 0, not of -inf.)": _padded(after_qkv=True),
        "The heads are ignored: attention has one head of the whole width. Each head has its own "
        "softmax; take block.attn.num_heads.": _each(heads=1),
        "Two sizes are written in: `a, b = sequences`. Any number of sizes may come.": _two_only,
        "What attention gathered is joined in another order than the tokens were packed.": (
            _cut_at(lambda b, n: b * n, into=False, out=False, turned=True)
        ),
    }
    for name, step in {
        "N": lambda b, n: n,
        "B": lambda b, n: b,
        "nothing": lambda b, n: 0,
    }.items():
        for where, into, out in (
            ("for attention", True, False),
            ("at the end", False, True),
            ("for attention and at the end", True, True),
        ):
            table[
                f"{where.capitalize()} the rows of a sequence are cut out at the wrong place: "
                f"where the next one begins advances by {name}. A sequence has B * N rows."
            ] = _cut_at(step, into, out)
    table |= with_piece(lambda piece: _each(attention=piece), attention)
    table |= with_piece(lambda wire: _each(wire=wire), WIRINGS)
    table |= {words: _each(into=into, back=back) for words, (into, back) in LAYOUTS.items()}
    return {words: _in_float64(mistake) for words, mistake in table.items()}


# ---------------------------------------------------------------- gradients


def _gradients(packed: Callable) -> Callable:
    """(block, *sequences) -> the gradients of the block's parameters, and of the sequences."""

    @functools.wraps(packed)
    @torch.enable_grad()
    def of(block: Block, *sequences: Tensor) -> tuple[Tensor, Tensor]:
        block = copy.deepcopy(block).to(sequences[0].dtype)
        sources = [s.detach().clone().requires_grad_() for s in sequences]
        got = packed(block, *sources)
        expect(
            got.requires_grad,
            "No gradient flows back through your function. Is there a no_grad or a detach in it?",
        )
        got.square().sum().backward()
        return tuple(
            torch.cat([(0 * t if t.grad is None else t.grad).flatten() for t in tensors])
            for tensors in (list(block.parameters()), sources)
        )

    return of


def _detached_attention(*which: int) -> Callable:
    """Attention in which q, k or v (0, 1, 2) have no gradient."""
    return lambda *qkv: attend(*(t.detach() if i in which else t for i, t in enumerate(qkv)))


CUTS = {  # where no gradient passes -> a block that is cut there
    "the attention": dict(attention=lambda q, k, v: attend(q, k, v).detach()),
    "the attention's weights": dict(attention=_detached_attention(0, 1)),
    "the queries": dict(attention=_detached_attention(0)),
    "the keys": dict(attention=_detached_attention(1)),
    "the values": dict(attention=_detached_attention(2)),
    "attn.proj": dict(
        wire=lambda b, x, g: _mlp(b, x + b.attn.proj(g(b.norm1(x))).detach())
    ),
    "the MLP": dict(
        wire=lambda b, x, g: (y := _attended(b, x, g)) + b.mlp(b.norm2(y)).detach()
    ),
    "the MLP's input": dict(
        wire=lambda b, x, g: (y := _attended(b, x, g)) + b.mlp(b.norm2(y.detach()))
    ),
    "the first residual": dict(
        wire=lambda b, x, g: _mlp(b, x.detach() + b.attn.proj(g(b.norm1(x))))
    ),
    "the second residual": dict(
        wire=lambda b, x, g: (y := _attended(b, x, g)).detach() + b.mlp(b.norm2(y))
    ),
    "norm1 and what is before it": dict(
        wire=lambda b, x, g: _mlp(b, x + b.attn.proj(g(b.norm1(x).detach())))
    ),
    "the packed tokens, back to the sequences": dict(wire=lambda b, x, g: _wire(b, x.detach(), g)),
}  # fmt: skip


# ---------------------------------------------------------------- the check


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
        shapes == want or shapes != [(b * n, d) for b, n, d in want],
        "The sequences come back as rows, (B * N, D). Give each its shape (B, N, D) again: "
        "part.unflatten(0, (B, N)).",
    )
    expect(
        shapes == want or shapes != [(n, b, d) for b, n, d in want],
        "The sequences come back as (N, B, D): images and tokens are swapped. The rows are image "
        "after image, (B, N, D).",
    )
    expect(
        any(s[-2:-1] != (w[1] - 1,) for s, w in zip(shapes, want, strict=True)),
        f"A token of each image is missing: {shapes}, expected {want}. The [CLS] token is packed "
        "like any other.",
    )
    for g, s in zip(got, sequences, strict=True):
        expect_tensor(g, s.shape, "(B, N, D)", what="A sequence that comes back")


@check("12.3", "two resolutions in one sequence")
@torch.no_grad()
def check_12_3(packed_block):
    @functools.wraps(packed_block)
    def packed(block: Block, *sequences: Tensor) -> Tensor:
        given = list(sequences)
        got = packed_block(block, given)
        expect(got is not None, "Your function returns None. Is a `return` missing?")
        expect(
            len(given) == len(sequences)
            and all(a is b for a, b in zip(given, sequences, strict=True)),
            "Your function changes the list that it was given; the caller still needs it.",
        )
        _expect_sequences(got, given)
        return torch.cat([g.flatten(0, 1) for g in got])

    # By hand: normalised, two numbers are 1 and -1. To the tokens of the first image (1, -1) is
    # added, to that of the second (-1, 1), to that of the third (1, -1).
    by_hand = torch.tensor([[[1.0, 0], [3, 0]]]), torch.tensor([[[0.0, 4]], [[6, 0]]])
    worked = torch.tensor([[2.0, -1], [4, -1], [-1, 5], [7, -1]])
    blocks = [Block(12, num_heads=n, mlp_ratio=2.0, drop_path=0.0) for n in (3, 2)]
    for block in blocks:
        for p in block.parameters():
            p.normal_(std=0.6)
    cases = [(mean_block(), *by_hand)] + [
        (block, *(torch.randn(b, n, 12) for b, n in sizes))
        for block, sizes in (
            (blocks[0], [(2, 5), (4, 3)]),
            (blocks[1], [(3, 4)]),
            (blocks[0], [(1, 2), (2, 6), (3, 1)]),
            (blocks[1], [(4, 3), (2, 3)]),
        )
    ]
    right = _in_float64(_each())

    def want(block: Block, *sequences: Tensor) -> Tensor:
        return worked if block is cases[0][0] else right(block, *sequences)

    compare(packed, cases, want, _packing_mistakes(), "(tokens, D)", "The packed result")
    block, *sequences = cases[1]
    rows, hooks = _count_rows(block)
    packed_block(block, list(sequences))
    for hook in hooks:
        hook.remove()
    tokens = sum(s.shape[0] * s.shape[1] for s in sequences)
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
    compare(
        _gradients(packed),
        [cases[1], cases[4]],
        _gradients(_each()),
        {
            f"The value is right, but no gradient passes through {where}: is there a detach, .data "
            "or no_grad?": _gradients(_each(**pieces))
            for where, pieces in CUTS.items()
        },
        what="The value is right; the row of gradients of the block's parameters and the sequences",
        tolerance=1e-3,
    )
    there = copy.deepcopy(block)
    expect_any_device(lambda a, b: packed_block(there.to(a.device), [a, b])[0], *sequences)


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
