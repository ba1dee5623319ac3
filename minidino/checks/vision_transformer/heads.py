"""2.3: multi-head attention, a piece at a time: split, weigh, mix, merge, return."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from minidino.checks.compare import compare, right_where, unsteady
from minidino.checks.core import (
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_dtype,
    expect_gradient,
)
from minidino.checks.mistakes import with_piece


def _split(x: Tensor, heads: int) -> Tensor:
    """(B, N, D) -> (B, heads, N, d), head after head."""
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


def _scores(q: Tensor, k: Tensor) -> Tensor:
    return torch.einsum("bhnd,bhmd->bhnm", q, k)


def _scaled(q: Tensor, k: Tensor) -> Tensor:
    return _scores(q, k) / q.shape[-1] ** 0.5


def _weigh(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _scaled(q, k).softmax(-1)


def _mix(a: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.einsum("bhnm,bhmd->bhnd", a, v)


def _merge(x: Tensor) -> Tensor:
    """(B, heads, N, d) -> (B, N, D)"""
    return torch.cat(list(x.unbind(1)), dim=-1)


def _attention(weigh=_weigh, mix=_mix, merge=_merge, split=_split, give=lambda out, a: (out, a)):
    splits = split if isinstance(split, tuple) else (split,) * 3

    def attention(q: Tensor, k: Tensor, v: Tensor, heads: int):
        q, k, v = (s(x, heads) for s, x in zip(splits, (q, k, v), strict=True))
        a = weigh(q, k, v)
        return give(merge(mix(a, q, k, v)), a)

    return attention


KEYS = "Each query divides its attention among the keys: dim=-1 of (..., queries, keys)."
D = "A head's score is a sum over its own d = D / num_heads numbers, so it is 1/sqrt(d)."


def _by(scale):
    """Another scale than 1/sqrt(d), a function of (B, heads, N, d)."""
    return lambda q, k, v: (_scores(q, k) * scale(*q.shape)).softmax(-1)


def _masked(hidden):
    def weigh(q, k, v):
        n = q.shape[-2]
        return _scaled(q, k).masked_fill(hidden(torch.ones(n, n)).bool(), -torch.inf).softmax(-1)

    return weigh


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


# (q, k, v), each (B, heads, N, d) -> (B, heads, N, N)
WEIGHTS = {
    "The scale 1/sqrt(d) is missing. A sum of d products grows with sqrt(d), and the softmax would "
    "be nearly one-hot before anything is learned.": _by(lambda b, h, n, d: 1),
    "You divided by d; it is its square root. Scores have a standard deviation of sqrt(d), and "
    "dividing by that makes it 1. (Twice the root is as much: F.scaled_dot_product_attention "
    "scales by itself.)": _by(lambda b, h, n, d: 1 / d),
    "You multiplied by sqrt(d). Divide.": _by(lambda b, h, n, d: d**0.5),
    "You multiplied by d. Divide, by its root.": _by(lambda b, h, n, d: d),
    f"You scaled by the full width, 1/sqrt(D). {D}": _by(lambda b, h, n, d: (h * d) ** -0.5),
    f"You divided by the full width D. {D}": _by(lambda b, h, n, d: 1 / (h * d)),
    f"You scaled by the number of heads. {D}": _by(lambda b, h, n, d: h**-0.5),
    f"You divided by the number of heads. {D}": _by(lambda b, h, n, d: 1 / h),
    f"You scaled by the number of tokens. {D}": _by(lambda b, h, n, d: n**-0.5),
    f"You divided by the number of tokens. {D}": _by(lambda b, h, n, d: 1 / n),
    f"You scaled by the number of images. {D}": _by(lambda b, h, n, d: b**-0.5),
    f"A scale of 1/8 is written in, right for heads of 64. {D}": _by(lambda b, h, n, d: 1 / 8),
    "You scaled by the fourth root of d. It is the square root; where both q and k are scaled, "
    "each gets the fourth.": _by(lambda b, h, n, d: d**-0.25),
    f"Your softmax runs over the queries: columns sum to 1. {KEYS}": (
        lambda q, k, v: _scaled(q, k).softmax(-2)
    ),
    f"Your softmax runs over the heads (dim 1). {KEYS}": lambda q, k, v: _scaled(q, k).softmax(1),
    f"Your softmax runs over the images (dim 0). {KEYS}": lambda q, k, v: _scaled(q, k).softmax(0),
    f"Your softmax runs over queries and keys at once: the whole matrix sums to 1. {KEYS}": (
        lambda q, k, v: _scaled(q, k).flatten(2).softmax(-1).view_as(_scores(q, k))
    ),
    "Queries and keys are swapped: this is k q^T. A row belongs to a query: q k^T.": (
        lambda q, k, v: _weigh(k, q, v)
    ),
    "Queries are compared with queries; the keys are not used: q k^T.": (
        lambda q, k, v: _weigh(q, q, v)
    ),
    "Keys are compared with keys; the queries are not used: q k^T.": lambda q, k, v: _weigh(
        k, k, v
    ),
    "Queries are compared with values. Keys are what a token is found by: q k^T.": (
        lambda q, k, v: _weigh(q, v, v)
    ),
    "Keys are compared with values. It is queries with keys: q k^T.": lambda q, k, v: _weigh(
        k, v, v
    ),
    "The keys are reshaped to (d, N) where they have to be transposed: k.transpose(-2, -1). "
    "reshape keeps the order in memory, and mixes tokens and numbers up.": lambda q, k, v: (
        q @ k.contiguous().view(*k.shape[:2], k.shape[3], k.shape[2]) / q.shape[-1] ** 0.5
    ).softmax(-1),
    "You scaled after the softmax, so rows do not sum to 1. Scale the scores.": (
        lambda q, k, v: _scores(q, k).softmax(-1) / q.shape[-1] ** 0.5
    ),
    "You scaled before the softmax and again after it, so rows do not sum to 1. Scale the scores "
    "only.": lambda q, k, v: _weigh(q, k, v) / q.shape[-1] ** 0.5,
    "These are the scores. The softmax over the keys is missing.": lambda q, k, v: _scaled(q, k),
    "These are the scores, and unscaled. The scale 1/sqrt(d) and the softmax over the keys are "
    "missing.": lambda q, k, v: _scores(q, k),
    "The softmax is taken twice, which makes all shares nearly equal. Once is enough.": (
        lambda q, k, v: _weigh(q, k, v).softmax(-1)
    ),
    "These are logarithms of shares (log_softmax). The shares themselves are asked for.": (
        lambda q, k, v: _scaled(q, k).log_softmax(-1)
    ),
    f"This is a sigmoid, which looks at each score alone. {KEYS}": lambda q, k, v: _scaled(
        q, k
    ).sigmoid(),
    "These are exponentials that nothing divides: rows do not sum to 1.": lambda q, k, v: _scaled(
        q, k
    ).exp(),
    "You divided the exponentials by a sum without keepdim=True, so each row meets another row's "
    "sum. Keep the dimension, or use softmax(dim=-1).": lambda q, k, v: (
        _scaled(q, k).exp() / _scaled(q, k).exp().sum(-1)
    ),
    "You divided the scores by their sum. A softmax takes the exponential first.": (
        lambda q, k, v: _scores(q, k) / _scores(q, k).sum(-1, keepdim=True)
    ),
    "Negative scores are set to 0 (a relu). The softmax sees them as they are.": (
        lambda q, k, v: _scaled(q, k).relu().softmax(-1)
    ),
    "You took absolute values of the scores. A negative score is a small share.": (
        lambda q, k, v: _scaled(q, k).abs().softmax(-1)
    ),
    "The sign of the scores is turned round: what fits least gets most.": (
        lambda q, k, v: (-_scaled(q, k)).softmax(-1)
    ),
    "Each query takes its best key alone (argmax). A softmax gives every key its share.": (
        lambda q, k, v: F.one_hot(_scores(q, k).argmax(-1), k.shape[-2]).double()
    ),
    "All keys get the same share: the scores are not used.": (
        lambda q, k, v: torch.full_like(_scores(q, k), 1 / k.shape[-2])
    ),
    "A causal mask lets a token look only at itself and those before it, as in a language model. "
    "Patches have no such order: all look at all.": _masked(lambda x: x.triu(1)),
    "A causal mask, reversed, lets a token look only at itself and those after it. Patches have no "
    "such order: all look at all.": _masked(lambda x: x.tril(-1)),
    "No token looks at itself: the diagonal is masked. All look at all, themselves included.": (
        _masked(lambda x: torch.eye(len(x)))
    ),
    "The upper half of the matrix is set to 0 (a causal mask, after the softmax). All look at "
    "all.": lambda q, k, v: _weigh(q, k, v).tril(),
    "The queries are brought to length 1. They are compared as they are.": (
        lambda q, k, v: _weigh(_unit(q), k, v)
    ),
    "The keys are brought to length 1. They are compared as they are.": (
        lambda q, k, v: _weigh(q, _unit(k), v)
    ),
    "Queries and keys are brought to length 1 (cosines, scaled). They are compared as they are.": (
        lambda q, k, v: _weigh(_unit(q), _unit(k), v)
    ),
    "Queries and keys are brought to length 1 (cosines). They are compared as they are, and scaled "
    "by 1/sqrt(d).": lambda q, k, v: _scores(_unit(q), _unit(k)).softmax(-1),
    "The queries are brought to length 1, and nothing is scaled. They are compared as they are, "
    "over sqrt(d).": lambda q, k, v: _scores(_unit(q), k).softmax(-1),
    "Queries and keys are compared by distance. It is their product: q k^T.": (
        lambda q, k, v: (-torch.cdist(q, k) / q.shape[-1] ** 0.5).softmax(-1)
    ),
    "Queries and keys are compared by squared distance. It is their product: q k^T.": (
        lambda q, k, v: (-torch.cdist(q, k).square() / q.shape[-1] ** 0.5).softmax(-1)
    ),
}
# (A, q, k, v) -> (B, heads, N, d)
MIXES = {
    "You mixed the values with the columns of the matrix; use its rows: matrix @ v.": (
        lambda a, q, k, v: a.mT @ v
    ),
    "You mixed the keys. Keys say where to look, values what is found there: matrix @ v.": (
        lambda a, q, k, v: a @ k
    ),
    "You mixed the queries. The matrix mixes the values: matrix @ v.": lambda a, q, k, v: a @ q,
    "The tokens are scaled by 1/sqrt(d) once more. Only the scores are.": (
        lambda a, q, k, v: a @ v / v.shape[-1] ** 0.5
    ),
    "The tokens are multiplied by sqrt(d). Only the scores are scaled.": (
        lambda a, q, k, v: a @ v * v.shape[-1] ** 0.5
    ),
    "The queries are added to the result (a residual). The block does such a thing; here "
    "matrix @ v is asked for.": lambda a, q, k, v: q + a @ v,
    "The values are added to the result (a residual). The block does such a thing; here "
    "matrix @ v is asked for.": lambda a, q, k, v: v + a @ v,
    "The values came out as they were: the matrix is not used.": lambda a, q, k, v: v,
    "The softmax is taken twice on the way to the tokens: matrix @ v, with the matrix as it is.": (
        lambda a, q, k, v: a.softmax(-1) @ v
    ),
    "All heads mix with the mean of their matrices. Each has its own.": (
        lambda a, q, k, v: a.mean(1, keepdim=True) @ v
    ),
    "The tokens are divided by the number of tokens. The shares sum to 1 already.": (
        lambda a, q, k, v: a @ v / v.shape[-2]
    ),
}
UNMERGED = "The heads are not merged: the tokens are (B, N, D), with D = heads * d."
# (B, heads, N, d) -> (B, N, D)
MERGES = {
    "The heads are merged without moving them back: yours are cut up. From (B, heads, N, d) go to "
    "(B, N, heads, d) first, then merge.": lambda x: x.reshape(len(x), x.shape[2], -1),
    "The heads are merged number by number, (d heads). Set them side by side, (heads d), as they "
    "were split.": lambda x: rearrange(x, "b heads n d -> b n (d heads)"),
    "The heads are merged in reverse order.": lambda x: _merge(x.flip(1)),
    "Tokens and numbers are mixed up in the merge: yours go from (B, heads, d, N) to (B, N, D) "
    "by a reshape. Move the tokens first.": lambda x: x.mT.reshape(len(x), x.shape[2], -1),
    f"{UNMERGED} (Yours are (B, heads, N, d).)": lambda x: x,
    f"{UNMERGED} (Yours are (B, N, heads, d).)": lambda x: x.transpose(1, 2),
    "You averaged the heads' results. They are laid side by side: (B, N, heads * d).": (
        lambda x: x.mean(1)
    ),
    "You added the heads' results. They are laid side by side: (B, N, heads * d).": (
        lambda x: x.sum(1)
    ),
    "Only the first head's result came out. All are laid side by side: (B, N, heads * d).": (
        lambda x: x[:, 0]
    ),
    "The heads are set one after the other as further tokens. They are laid side by side: "
    "(B, N, heads * d).": lambda x: x.flatten(1, 2),
    "The result is transposed: (B, D, N). It is (B, N, D).": lambda x: _merge(x).mT,
}


def _comb(x: Tensor, heads: int) -> Tensor:
    return rearrange(x, "b n (d heads) -> b heads n d", heads=heads)


def _run(x: Tensor, heads: int) -> Tensor:
    return x.reshape(len(x), heads, x.shape[1], -1)


SWAPPED = (
    "Heads and head width are swapped in the reshape: yours takes every `num_heads`-th number for "
    "a head. A head is a run of neighbours: (heads d), not (d heads)."
)
CUT_UP = (
    "You reshaped to (B, heads, N, d) in one go, which cuts up the tokens. Split the width first, "
    "(B, N, heads, d), then move the heads in front."
)
MANY = (
    "Heads and head width are swapped: you have d heads of `num_heads` numbers each. The width is "
    "D / num_heads."
)
ONE = "There is one matrix for all heads: the width was not split. Each head has its own."
TALK = (
    "Your heads attend to one another: the matrix is heads x heads for each token. Tokens must "
    "attend to tokens: move the heads in front of the tokens, (B, heads, N, d)."
)


def _as_trees(merge):
    """Heads attend to heads: (B, N, heads, d), not moved."""
    return _attention(split=lambda x, heads: _split(x, heads).transpose(1, 2), merge=merge)


SPLITS = {
    SWAPPED: _attention(split=_comb),
    f"{SWAPPED} (And you merged the heads in the same wrong order.)": (
        _attention(split=_comb, merge=lambda x: rearrange(x, "b heads n d -> b n (d heads)"))
    ),
    f"{SWAPPED} (Of the queries.)": _attention(split=(_comb, _split, _split)),
    f"{SWAPPED} (Of the keys.)": _attention(split=(_split, _comb, _split)),
    "The values are split differently from queries and keys: (d heads) in place of (heads d).": (
        _attention(split=(_split, _split, _comb))
    ),
    f"{SWAPPED} (Of queries and keys.)": _attention(split=(_comb, _comb, _split)),
    CUT_UP: _attention(split=_run),
    f"{CUT_UP} (And merge the same way back.)": _attention(
        split=_run, merge=lambda x: x.reshape(len(x), x.shape[2], -1)
    ),
    f"{CUT_UP} (Of the values.)": _attention(split=(_split, _split, _run)),
    f"{CUT_UP} (Of the keys.)": _attention(split=(_split, _run, _split)),
    TALK: _as_trees(lambda x: x.flatten(2)),
    f"{TALK} (And the result is not merged.)": _as_trees(lambda x: x),
    f"{TALK} (You swapped them back to front in the merge.)": _as_trees(
        lambda x: x.transpose(1, 2).reshape(len(x), x.shape[1], -1)
    ),
    MANY: lambda q, k, v, heads: _attention()(q, k, v, q.shape[-1] // heads),
    ONE: lambda q, k, v, heads: _attention()(q, k, v, 1),
    f"{ONE} (Yours is (B, N, N).)": lambda q, k, v, heads: _attention(
        give=lambda out, a: (out, a[:, 0])
    )(q, k, v, 1),
    f"{ONE} (Yours is the same for all.)": lambda q, k, v, heads: _attention(
        give=lambda out, a: (out, a.expand(-1, heads, -1, -1))
    )(q, k, v, 1),
    f"{ONE} (It is scaled for heads, at least.)": lambda q, k, v, heads: _attention(
        lambda q, k, v: (_scaled(q, k) * heads**0.5).softmax(-1)
    )(q, k, v, 1),
}
# Right inside, and something else returned. (tokens, A) -> what comes out
PAIR = "Return two tensors: the tokens (B, N, D), and the attention matrices (B, heads, N, N)."
RETURNS = {
    "You returned the two the other way round: tokens first, attention matrices second.": (
        lambda out, a: (a, out)
    ),
    f"{PAIR} (Yours are the tokens alone.)": lambda out, a: out,
    f"{PAIR} (Yours are the matrices alone.)": lambda out, a: a,
    "You averaged the matrices over the heads. Each head has its own, (B, heads, N, N).": (
        lambda out, a: (out, a.mean(1))
    ),
    "You averaged the matrices over the heads, and kept the dimension. Each head has its own, "
    "(B, heads, N, N).": lambda out, a: (out, a.mean(1, keepdim=True)),
    "You averaged the matrices over the images. Each image has its own, (B, heads, N, N).": (
        lambda out, a: (out, a.mean(0))
    ),
    "You averaged the matrices over the images, and kept the dimension. Each image has its own, "
    "(B, heads, N, N).": lambda out, a: (out, a.mean(0, keepdim=True)),
    "The matrices you return are transposed: a row for each query.": lambda out, a: (out, a.mT),
    "The matrices of all images and heads are in one list. They are (B, heads, N, N).": (
        lambda out, a: (out, a.flatten(0, 1))
    ),
    "Only the first head's matrix came out. All are asked for, (B, heads, N, N).": (
        lambda out, a: (out, a[:, 0])
    ),
    "Only the first token's row of the matrices came out. All N are asked for, (B, heads, N, N).": (
        lambda out, a: (out, a[:, :, 0])
    ),
    "Heads and queries are swapped in the matrices: they are (B, heads, N, N).": (
        lambda out, a: (out, a.transpose(1, 2))
    ),
    "The heads of the matrices are in reverse order.": lambda out, a: (out, a.flip(1)),
}
TWICE = (
    "The matrices are right, and the tokens come from scores that are scaled twice: "
    "F.scaled_dot_product_attention scales by itself. Take matrix @ v."
)
ALL = (
    with_piece(_attention, WEIGHTS)
    | {
        TWICE: lambda q, k, v, heads: (
            _attention(_by(lambda b, h, n, d: 1 / d))(q, k, v, heads)[0],
            _attention()(q, k, v, heads)[1],
        ),
    }
    | with_piece(lambda mix: _attention(mix=mix), MIXES)
    | with_piece(lambda merge: _attention(merge=merge), MERGES)
    | SPLITS
    | with_piece(lambda give: _attention(give=give), RETURNS)
)


def _drawn(b: int, n: int, heads: int, d: int) -> tuple:
    return *(1.3 * torch.randn(b, n, heads * d) for _ in range(3)), heads


def _ones(x: Tensor) -> bool:
    return close(x, torch.ones_like(x))


def _hotter(a: Tensor, b: Tensor) -> bool:
    """Both are softmaxes of the same scores, at two temperatures."""
    x, y = (m.log() - m.log().mean(-1, keepdim=True) for m in (a, b))
    return _ones(a.sum(-1)) and close(x, y * ((x * y).sum() / (y * y).sum()), 1e-3)


def _in_one(i: int, shape):
    """A clue: one of the two results has this shape in every case."""

    def shows(cases):
        return lambda got: all(
            isinstance(g, tuple | list)
            and len(g) == 2
            and isinstance(g[i], Tensor)
            and tuple(g[i].shape) == shape(len(q), q.shape[1], heads, q.shape[2] // heads)
            for g, (q, _, _, heads) in zip(got, cases, strict=True)
        )

    return shows


@check("2.3", "multi-head self-attention")
def check_2_3(attention):
    cases = [_drawn(2, 5, 3, 4), _drawn(4, 6, 2, 7), _drawn(3, 4, 5, 2)]
    want = _attention()

    def never(*case) -> bool:
        return False

    def both(holds):
        """This holds of tokens and matrices, and the right ones, in every case."""
        right = [want(*case) for case in cases]
        return lambda got: all(
            isinstance(g, tuple | list)
            and len(g) == 2
            and all(isinstance(t, Tensor) for t in g)
            and g[1].shape == r[1].shape
            and holds(*(t.double() for t in (*g, *r)))
            for g, r in zip(got, right, strict=True)
        )

    compare(
        attention,
        cases,
        want,
        ALL,
        names="(B, N, D) and (B, heads, N, N)",
        clues={
            "Your function is right for one head only. Is the width split, and the scale that of a "
            "head?": right_where(
                attention, want, cases, never, [_drawn(2, 5, 1, 6), _drawn(3, 4, 1, 9)]
            ),
            "Your function is right for one image only. Leave the batch in: (B, heads, N, N).": (
                right_where(attention, want, cases, never, [_drawn(1, 5, 3, 4), _drawn(1, 4, 2, 7)])
            ),
            f"{TALK} (And more is not right.)": _in_one(1, lambda b, n, h, d: (b, n, h, h))(cases),
            f"{MANY} (And more is not right.)": _in_one(1, lambda b, n, h, d: (b, d, n, n))(cases),
            "There is one matrix for all heads. Each head has its own, (B, heads, N, N); do not "
            "average them.": _in_one(1, lambda b, n, h, d: (b, n, n))(cases),
            "The matrix compares the numbers of a head, d x d. Tokens attend to tokens: q k^T, "
            "with k transposed, is N x N.": _in_one(1, lambda b, n, h, d: (b, h, d, d))(cases),
            "The same tokens give another result the second time. Nothing here is left to chance: "
            "no dropout.": unsteady(attention, cases[0]),
            "Tokens and matrices agree to two digits or three, and no further: something is "
            "rounded or in half precision, or a small number (an eps) is in it.": both(
                lambda out, a, o, b: close(out, o, 0.01) and close(a, b, 0.01)
            ),
            "Your softmax runs over the queries: columns sum to 1. It runs over the keys, dim=-1. "
            "(And more is not right.)": both(lambda out, a, *_: _ones(a.sum(-2))),
            "The matrices are right. The tokens are not: they are matrix @ v of each head, laid "
            "side by side, and nothing else.": both(lambda out, a, o, b: close(a, b)),
            "The tokens are right. The matrices that you return are not: return those that mix the "
            "values.": both(lambda out, a, o, b: close(out, o)),
            "Rows of your matrices sum to 1, and log A is the scores times a number: something "
            "else than sqrt(d) divides them.": both(lambda out, a, o, b: _hotter(a, b)),
            "Rows of your matrices do not sum to 1. The softmax runs over the keys, dim=-1, and "
            "comes last.": both(lambda out, a, *_: not _ones(a.sum(-1))),
            "Rows of your matrices sum to 1, and their scores are not q k^T / sqrt(d) of the "
            "heads. Are queries, keys and heads what you take them for?": both(
                lambda out, a, *_: _ones(a.sum(-1))
            ),
            f"{PAIR} (Yours is one tensor.)": lambda got: all(isinstance(g, Tensor) for g in got),
            f"{PAIR} (Yours are more.)": lambda got: all(
                isinstance(g, tuple | list) and len(g) > 2 for g in got
            ),
        },
    )
    # By hand, one head of width 4: a score of 2 ln 3, by sqrt(4) ln 3, so 3 : 1.
    q, k, v = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    q[0, 0, 0], k[0, 0, 0] = 2 * math.log(3), 1.0
    v[0, 0, 0], v[0, 1, 1] = 1.0, 1.0
    compare(
        attention,
        [(q, k, v, 1), _drawn(1, 2, 3, 1)],
        want,
        {
            "Where there is one image, or one head, its dimension is squeezed away. The tokens "
            "stay (B, N, D), and the matrices (B, heads, N, N).": _attention(
                give=lambda out, a: (out.squeeze(0), a.squeeze())
            ),
        },
        names="(B, N, D) and (B, heads, N, N)",
        what="With one image, the result",
    )
    q, k, v, heads = cases[0]
    sources = [t.clone().requires_grad_() for t in (q, k, v)]
    out, _ = call(attention, *sources, heads)
    for source, name in zip(sources, ("queries", "keys", "values"), strict=True):
        expect_gradient(out * torch.arange(1.0, 13), source, f"No gradient reaches the {name}.")
    out, matrix = call(attention, 40 * q, 40 * k, v, heads)
    expect(
        torch.isfinite(matrix).all() and torch.isfinite(out).all(),
        "Large scores give nan: exp(1000) is beyond float32. torch.softmax takes each row's "
        "largest score away first.",
    )
    expect_any_device(attention, *cases[0])
    expect_dtype(attention, *cases[0], both=True)
