"""Exercise 11.5, a label follows: tells apart windows, neighbours, weights and who asks whom."""

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import call, check, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import UNIT, Table, both


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def _cosines(now: Tensor, before: Tensor) -> Tensor:
    """(M, D), (M, D) -> (M, M): row i is patch i of now."""
    return _unit(now) @ _unit(before).T


def _places(h: int, w: int) -> tuple[Tensor, Tensor]:
    """(M, M) each: how many rows and columns patch j lies from patch i."""
    y, x = torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)
    return (y[:, None] - y).abs(), (x[:, None] - x).abs()


def _square(h: int, w: int, r: int) -> Tensor:
    dy, dx = _places(h, w)
    return (dy <= r) & (dx <= r)


def _top(s: Tensor, window: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Cosines and numbers of the k best within the window; -inf where it holds fewer."""
    return s.masked_fill(~window, -torch.inf).topk(min(k, s.shape[1]), 1)


def _softmax(near: Tensor, t: float) -> Tensor:
    return (near / t).softmax(1)


def _share(choose=_top, weigh=_softmax):
    """(M, M) weights of the patches before, a row for each patch now."""

    def weights(s: Tensor, window: Tensor, k: int, t: float) -> Tensor:
        near, index = choose(s, window, k)
        return torch.zeros_like(s).scatter_add(1, index, weigh(near, t))

    return weights


def _gather(weights: Tensor, labels: Tensor) -> Tensor:
    return weights @ labels


def _follow(similar=_cosines, window=_square, weights=None, gather=_gather, end=lambda x: x):
    weights = weights or _share()

    def answer(
        before: Tensor, labels: Tensor, now: Tensor, radius: int, k: int, temperature: float
    ) -> Tensor:
        h, w, classes = labels.shape
        s = similar(now.flatten(0, 1), before.flatten(0, 1))
        a = weights(s, window(h, w, radius), k, temperature)
        out = gather(a, labels.flatten(0, 1))
        return out if isinstance(out, torch.Size) else end(out.view(h, w, classes))

    return answer


SIMILAR: Table = {
    "These are dot products: a bright patch with long features draws all others. Bring both to "
    "length 1 (F.normalize(..., dim=-1)).": lambda n, b: n @ b.T,
    "Only the new frame's features are brought to length 1. Both.": lambda n, b: _unit(n) @ b.T,
    "Only the old frame's features are brought to length 1. Both.": lambda n, b: n @ _unit(b).T,
    "Who asks whom is turned round: row i holds how much patch i of the *old* frame resembles "
    "those of the new one. A new patch gathers labels from old ones.": lambda n, b: _cosines(b, n),
    "The new frame is compared with itself.": lambda n, b: _cosines(n, n),
    "The old frame is compared with itself.": lambda n, b: _cosines(b, b),
    "Your similarity is the negative Euclidean distance. The cosine is asked for.": (
        lambda n, b: -torch.cdist(n, b)
    ),
    "Your similarity is the negative distance of unit rows, which grows otherwise than the cosine. "
    "The cosine is asked for.": lambda n, b: -torch.cdist(_unit(n), _unit(b)),
    "The dot products are divided by the root of D, as attention does. Cosines are asked for.": (
        lambda n, b: n @ b.T / n.shape[1] ** 0.5
    ),
    "The cosines are turned round (1 - cos, a distance): the *least* alike vote.": (
        lambda n, b: 1 - _cosines(n, b)
    ),
    "Cosines below 0 are cut to 0.": lambda n, b: _cosines(n, b).clamp(min=0),
    "The mean feature of each frame was taken away first. The features are used as they are.": (
        lambda n, b: _cosines(n - n.mean(0), b - b.mean(0))
    ),
    **{
        words: (lambda n, b, unit=unit: unit(n) @ unit(b).T)
        for words, unit in UNIT.items()
        if words.startswith(
            (
                "You normalised the columns",
                "You divided all rows",
                "You divided by the sum of squares",
                "You divided by the sum of absolute",
                "You took each row's mean away",
            )
        )
    },
}
WINDOW = (
    "A patch may have moved by up to `radius` rows *and* columns either way: |dy| <= radius and "
    "|dx| <= radius, a square of side 2 * radius + 1."
)


def _of_places(inside):
    return lambda h, w, r: inside(*_places(h, w), r)


def _flat_distance(h: int, w: int, r: int) -> Tensor:
    i = torch.arange(h * w)
    return (i[:, None] - i).abs() <= r


def _round_the_edge(h: int, w: int, r: int) -> Tensor:
    dy, dx = _places(h, w)
    return (torch.minimum(dy, h - dy) <= r) & (torch.minimum(dx, w - dx) <= r)


def _pushed_inside(h: int, w: int, r: int) -> Tensor:
    """A window at the border is pushed inwards until it is whole."""
    ys = torch.arange(h).clamp(min(r, h - 1 - min(r, h - 1)), max(h - 1 - r, min(r, h - 1)))
    xs = torch.arange(w).clamp(min(r, w - 1 - min(r, w - 1)), max(w - 1 - r, min(r, w - 1)))
    y, x = torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)
    cy, cx = ys.repeat_interleave(w), xs.repeat(h)
    return ((cy[:, None] - y).abs() <= r) & ((cx[:, None] - x).abs() <= r)


def _end_left_out(h: int, w: int, r: int) -> Tensor:
    """As slices from y - r to y + r; the patch itself stays where r is 0."""
    i, j = torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)
    dy, dx = i - i[:, None], j - j[:, None]
    return (dy >= -r) & (dy < max(r, 1)) & (dx >= -r) & (dx < max(r, 1))


def _from_the_end(h: int, w: int, r: int) -> Tensor:
    """As slices whose start may be negative, which Python counts from the end."""

    def near(n: int) -> Tensor:
        rows = [torch.arange(n)[i - r : i + r + 1] for i in range(n)]
        return torch.stack([torch.isin(torch.arange(n), row) for row in rows])

    return torch.kron(near(h).int(), near(w).int()) > 0


WINDOWS: Table = {
    "The last row and the last column of the neighbourhood are missing: a slice ends before its "
    f"end, y + radius + 1. {WINDOW}": _end_left_out,
    f"There is no neighbourhood: patches from anywhere in the old frame vote. {WINDOW}": (
        _of_places(lambda dy, dx, r: torch.ones_like(dy).bool())
    ),
    f"The square has side `radius`, or reaches half as far. {WINDOW}": (
        _of_places(lambda dy, dx, r: (dy <= r // 2) & (dx <= r // 2))
    ),
    f"The outermost ring is missing: < where <= belongs. {WINDOW}": (
        _of_places(lambda dy, dx, r: (dy < r) & (dx < r))
    ),
    f"The neighbourhood is one ring too large. {WINDOW}": (
        _of_places(lambda dy, dx, r: (dy <= r + 1) & (dx <= r + 1))
    ),
    f"The neighbourhood is twice as far: the whole side was taken for the radius. {WINDOW}": (
        _of_places(lambda dy, dx, r: (dy <= 2 * r) & (dx <= 2 * r))
    ),
    f"The neighbourhood is a disc, dy^2 + dx^2 <= radius^2. {WINDOW}": (
        _of_places(lambda dy, dx, r: dy**2 + dx**2 <= r * r)
    ),
    f"The neighbourhood is a diamond, |dy| + |dx| <= radius. {WINDOW}": (
        _of_places(lambda dy, dx, r: dy + dx <= r)
    ),
    f"Only the rows are restricted. {WINDOW}": _of_places(lambda dy, dx, r: dy <= r),
    f"Only the columns are restricted. {WINDOW}": _of_places(lambda dy, dx, r: dx <= r),
    f"Rows *or* columns are near: a cross. Both must be. {WINDOW}": (
        _of_places(lambda dy, dx, r: (dy <= r) | (dx <= r))
    ),
    "Distances are those of numbers in a flat list, |i - j| <= radius. A patch above is w numbers "
    f"away. {WINDOW}": _flat_distance,
    "The neighbourhood goes round the edge: what leaves left comes in right (torch.roll). At the "
    "edge it is simply smaller.": _round_the_edge,
    "At the edge the neighbourhood is pushed inwards, so that it stays whole. It is simply smaller "
    "there.": _pushed_inside,
    "Row and column of a patch were computed with h (number // h, number % h). A row has w "
    "patches.": lambda h, w, r: _square(w, h, r),
    "The neighbourhood is turned round: patches *outside* of it vote.": (
        lambda h, w, r: ~_square(h, w, r)
    ),
    "The patch itself is left out of its neighbourhood. What has not moved is there.": (
        _of_places(lambda dy, dx, r: (dy <= r) & (dx <= r) & (dy + dx > 0))
    ),
}


def _all_of_them(s: Tensor, window: Tensor, k: int) -> tuple[Tensor, Tensor]:
    return _top(s, window, s.shape[1])


def _top_first(s: Tensor, window: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of the whole frame, of which the window then leaves some."""
    near, index = s.topk(min(k, s.shape[1]), 1)
    return near.masked_fill(~window.gather(1, index), -torch.inf), index


def _zero_outside(s: Tensor, window: Tensor, k: int) -> tuple[Tensor, Tensor]:
    return (s * window).topk(min(k, s.shape[1]), 1)


def _counted(number):
    return lambda s, window, k: _top(s, window, max(1, number(k)))


def _lowest(s: Tensor, window: Tensor, k: int) -> tuple[Tensor, Tensor]:
    near, index = _top(-s, window, k)
    return torch.where(near == -torch.inf, near, -near), index


CHOSEN: Table = {
    "All patches of the neighbourhood vote. Only the k most alike do.": _all_of_them,
    "Only the single most alike patch votes, whatever k is: its label came back. All k are "
    "averaged by their weights.": _counted(lambda k: 1),
    "Five vote, whatever k is. It is an argument.": _counted(lambda k: 5),
    "One neighbour too many votes.": _counted(lambda k: k + 1),
    "One neighbour too few votes.": _counted(lambda k: k - 1),
    "The k best were taken from the whole frame *before* the neighbourhood: then few are left, or "
    "none. First the neighbourhood, then the k best in it.": _top_first,
    "Outside the neighbourhood the cosine is set to 0, and 0 beats a negative one, and weighs "
    "exp(0) = 1. -inf leaves a patch out.": _zero_outside,
    "The k *least* alike vote (largest=False).": _lowest,
    "Outside the neighbourhood the cosine is set to -1. Where it holds fewer than k, patches from "
    "outside vote: a weight of exp(-1 / T) is small and not 0. -inf leaves a patch out.": (
        lambda s, window, k: s.masked_fill(~window, -1.0).topk(min(k, s.shape[1]), 1)
    ),
    "Cosines of exactly 0 are left out, as if they lay outside of the picture. A neighbour may "
    "have a cosine of 0: leave out by place, not by value.": (
        lambda s, window, k: _top(s, window & (s != 0), k)
    ),
}
SUM_TO_1 = "The k weights of a new patch sum to 1: softmax of cos / temperature over them."


def _exponentials(near: Tensor, t: float) -> Tensor:
    return (near / t).exp()


WEIGHTS: Table = {
    "You multiplied by the temperature. Divide: a small one lets the most alike decide.": (
        lambda near, t: _softmax(near, 1 / t)
    ),
    f"The temperature is not used. {SUM_TO_1}": lambda near, t: _softmax(near, 1.0),
    "0.1 is written in for the temperature, the paper's number. It is an argument.": (
        lambda near, t: _softmax(near, 0.1)
    ),
    "0.07 is written in for the temperature, k-NN's number. It is an argument.": (
        lambda near, t: _softmax(near, 0.07)
    ),
    f"You divided by the root of the temperature. {SUM_TO_1}": (
        lambda near, t: _softmax(near, t**0.5)
    ),
    f"You divided by the temperature twice. {SUM_TO_1}": lambda near, t: _softmax(near, t * t),
    f"The k neighbours weigh alike. {SUM_TO_1}": (
        lambda near, t: near.isfinite().double() / near.isfinite().sum(1, keepdim=True)
    ),
    f"Weights are exp(cos / temperature), which nothing divides, so they do not sum to 1. "
    f"{SUM_TO_1}": (_exponentials),
    f"Weights are the cosines themselves, divided by their sum. {SUM_TO_1}": (
        lambda near, t: _cosine_shares(near)
    ),
    f"Weights are the cosines themselves. {SUM_TO_1}": (
        lambda near, t: near.masked_fill(near == -torch.inf, 0)
    ),
    "The softmax is over the new patches (dim 0): each neighbour's rank shares itself out among "
    f"them. {SUM_TO_1}": lambda near, t: (near / t).softmax(0).nan_to_num(0),
    "The exponentials are divided by their sum over everything. Each new patch has its own: "
    f"{SUM_TO_1}": lambda near, t: _exponentials(near, t) / _exponentials(near, t).sum(),
    "Weights are divided by k: their mean in place of a softmax. " + SUM_TO_1: (
        lambda near, t: _exponentials(near, t) / near.shape[1]
    ),
    "You divided after the softmax; the weights do not sum to 1. The temperature divides the "
    "cosines.": lambda near, t: near.softmax(1) / t,
    "Two softmaxes were taken, one of the other. One is enough.": (
        lambda near, t: _softmax(near, t).softmax(1)
    ),
    "Weights are sigmoids of cos / temperature: each looks at its own cosine alone. "
    + SUM_TO_1: lambda near, t: (near / t).sigmoid(),
}


def _cosine_shares(near: Tensor) -> Tensor:
    near = near.masked_fill(near == -torch.inf, 0)
    return near / near.sum(1, keepdim=True)


def _over_old(s: Tensor, window: Tensor, k: int, t: float) -> Tensor:
    """Each old patch shares itself out among the new ones; then the k largest of each row."""
    a = (s.masked_fill(~window, -torch.inf) / t).softmax(0)
    near, index = a.topk(min(k, len(a)), 1)
    return torch.zeros_like(s).scatter(1, index, near)


def _not_again(s: Tensor, window: Tensor, k: int, t: float) -> Tensor:
    """A softmax over the whole window, of which k are kept as they are."""
    a = (s.masked_fill(~window, -torch.inf) / t).softmax(1)
    near, index = a.topk(min(k, len(a)), 1)
    return torch.zeros_like(s).scatter(1, index, near)


def _then_window(s: Tensor, window: Tensor, k: int, t: float) -> Tensor:
    """Weights of the whole frame's k best, those outside the window set to 0."""
    return _share()(s, torch.ones_like(window), k, t) * window


def _over_all(s: Tensor, window: Tensor, k: int, t: float) -> Tensor:
    """As _not_again, with the softmax over the whole frame."""
    a = (s / t).softmax(1) * window
    near, index = a.topk(min(k, len(a)), 1)
    return torch.zeros_like(s).scatter(1, index, near)


def _k_of_each_old(s: Tensor, window: Tensor, k: int, t: float) -> Tensor:
    """The k best new patches of each old one (top-k over the wrong axis), then a softmax."""
    near, index = s.masked_fill(~window, -torch.inf).topk(min(k, len(s)), 0)
    return torch.zeros_like(s).scatter(0, index, (near / t).softmax(0))


WHOLE: Table = {
    "The softmax is over the new patches: each *old* patch shares itself out, and what a new one "
    f"gathers does not sum to 1. {SUM_TO_1}": _over_old,
    "The k best were taken from the whole frame *before* the neighbourhood, and where none of them "
    "lies in it a patch has no label. First the neighbourhood, then the k best in it.": (
        lambda s, window, k, t: _share(choose=_top_first)(s, window, k, t).nan_to_num(0)
    ),
    "The softmax is over the whole neighbourhood and only k weights are kept, so they sum to less "
    f"than 1. The k first, then the softmax over them. {SUM_TO_1}": _not_again,
    "The weights of patches outside the neighbourhood were set to 0 after the softmax; the rest "
    f"does not sum to 1. Mask the cosines first, with -inf. {SUM_TO_1}": _then_window,
    "The softmax is over the whole frame, and the rest was taken away after it; what is left sums "
    f"to less than 1. Mask and choose first. {SUM_TO_1}": _over_all,
    "The k most alike *new* patches of each old one were taken (top-k over the other axis). Each "
    "new patch chooses its k old ones.": _k_of_each_old,
}


def _empty_where_negative(s: Tensor, window: Tensor, k: int, t: float) -> Tensor:
    return _share()(s, window, k, t).nan_to_num(0)  # no neighbours, no label


def _padded(mode: str):
    """Neighbourhoods as F.unfold cuts them from a padded frame; zeros have no label."""

    def answer(before, labels, now, radius, k, t) -> Tensor:
        def cut(x: Tensor) -> Tensor:  # (h, w, C) -> (h, w, C, neighbours)
            x = torch.nn.functional.pad(x.permute(2, 0, 1)[None], [radius] * 4, mode)[0]
            side = 2 * radius + 1
            return x.unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4).flatten(3)

        s = torch.einsum("hwdn,hwd->hwn", cut(_unit(before)), _unit(now))
        near, index = s.topk(min(k, s.shape[-1]), -1)
        found = cut(labels).gather(3, index[:, :, None].expand(-1, -1, labels.shape[-1], -1))
        return (found * (near / t).softmax(-1)[:, :, None]).sum(-1)

    return answer


GATHERS: Table = {
    "The matrix of weights is transposed before it meets the labels: old patches gather from new "
    "ones.": lambda a, y: a.T @ y,
    "The labels came back as they were: nothing followed.": lambda a, y: y,
    "The largest of the k labels was taken, class by class. They are averaged by their weights.": (
        lambda a, y: torch.stack([y[row > 0].amax(0) for row in a])
    ),
    "Each new patch has the weights themselves. They weigh the labels: weights @ labels.": (
        lambda a, y: torch.Size((*a.shape,))
    ),
}
SOFT = "Shares stay shares; whoever wants one class takes the argmax at the very end."
ENDS: Table = {
    f"Labels were made hard, a 1 for the largest. {SOFT}": (
        lambda x: torch.nn.functional.one_hot(x.argmax(-1), x.shape[-1]).double()
    ),
    f"Labels were rounded to 0 and 1. {SOFT}": lambda x: x.round(),
    f"A softmax over the classes was taken at the end. {SOFT}": lambda x: x.softmax(-1),
    f"Each class was brought to 0..1 over the frame, as the official code does before it draws. "
    f"{SOFT}": lambda x: (x - x.amin((0, 1))) / (x.amax((0, 1)) - x.amin((0, 1))).clamp(min=1e-12),
    "Each patch's labels were divided by their sum. Weights sum to 1; the labels may sum to what "
    "they like.": lambda x: x / x.sum(-1, keepdim=True).clamp(min=1e-12),
    "The number of the largest class came back, (h, w). The shares are asked for, (h, w, C).": (
        lambda x: torch.Size(x.shape[:2])
    ),
    "The patches lie in a list, (h * w, C). Give them back rows and columns.": (
        lambda x: torch.Size((x.shape[0] * x.shape[1], x.shape[2]))
    ),
    "h and w are exchanged on the way back: (h, w, C).": (
        lambda x: torch.Size((x.shape[1], x.shape[0], x.shape[2]))
    ),
    "The classes are the first dimension, (C, h, w). They are the last.": (
        lambda x: torch.Size((x.shape[2], *x.shape[:2]))
    ),
}


def _mistakes() -> Table:
    table = {m: _follow(similar=piece) for m, piece in SIMILAR.items()}
    table |= {m: _follow(window=piece) for m, piece in WINDOWS.items()}
    table |= {m: _follow(weights=_share(choose=piece)) for m, piece in CHOSEN.items()}
    table |= {m: _follow(weights=_share(weigh=piece)) for m, piece in WEIGHTS.items()}
    table |= {m: _follow(weights=piece) for m, piece in WHOLE.items()}
    table |= {m: _follow(gather=piece) for m, piece in GATHERS.items()}
    table |= {m: _follow(end=piece) for m, piece in ENDS.items()}

    def over(dim: int):
        def answer(before, labels, now, *rest) -> Tensor:
            before, now = (x / x.norm(dim=dim, keepdim=True) for x in (before, now))
            return _follow(similar=lambda n, b: n @ b.T)(before, labels, now, *rest)

        return answer

    return table | {
        "Each row of patches was brought to length 1 together (F.normalize takes dim=1 by itself, "
        "which is the width here). A patch has a length of its own: dim=-1.": over(1),
        "Each column of patches was brought to length 1 together (dim=0). A patch has a length of "
        "its own: dim=-1.": over(0),
        "The frame is padded with zeros, and these take part: a cosine of 0 beats a negative one, "
        "and votes for no class at all. At the border the neighbourhood is simply smaller; -inf "
        "leaves padding out.": _padded("constant"),
        "The frame is padded with copies of its border, which vote twice. At the border the "
        "neighbourhood is simply smaller.": _padded("replicate"),
        "A slice begins at y - radius, which is negative near the border: Python counts that from "
        "the end, and the neighbourhood is empty or another one. max(0, y - radius).": _follow(
            window=_from_the_end, weights=_empty_where_negative
        ),
    }


def _case(h: int, w: int, dim: int, classes: int, radius: int, k: int, t: float) -> tuple:
    """A frame, its labels, and the frame moved by a patch, with noise; cosines of both signs."""
    before = torch.randn(h, w, dim)
    now = before.roll((1, -1), (0, 1)) + 0.7 * torch.randn(h, w, dim)
    labels = torch.rand(h, w, classes) ** 2
    labels[: h // 2, : w // 2, 0] = 1.0
    return (
        before * (0.3 + 2 * torch.rand(h, w, 1)),
        labels,
        now * (0.3 + 2 * torch.rand(h, w, 1)),
        radius,
        k,
        t,
    )


@check("11.5", "a label follows")
def check_11_5(propagate):
    cases = [
        _case(5, 7, 4, 3, 2, 4, 0.4),
        _case(6, 4, 3, 2, 1, 3, 0.7),
        _case(4, 8, 5, 4, 3, 7, 0.25),
        _case(3, 5, 3, 2, 1, 9, 0.5),  # k is all that a neighbourhood holds, more at the edge
        _case(2, 3, 3, 2, 1, 8, 0.6),  # k is more than there are
    ]
    # By hand: two patches, cosines 1 and 0, weights 3/4 and 1/4 at a temperature of 1 / ln 3.
    t = 1 / torch.tensor(3.0).log().item()
    here = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    cases.append((here, torch.tensor([[[1.0], [0.0]]]), here, 1, 2, t))
    weights = {m: _share(choose=piece) for m, piece in CHOSEN.items()}
    weights |= {m: _share(weigh=piece) for m, piece in WEIGHTS.items()}
    two = both(_follow, similar=SIMILAR, window=WINDOWS, weights=weights, end=ENDS)
    compare(
        propagate, cases, _follow(), _mistakes(), "(h, w, C)", "The grid of new labels", at_once=two
    )
    before, labels, now, *_ = cases[0]
    got = call(propagate, before, labels, now, 0, 3, 0.5)
    expect(
        torch.allclose(got.double(), labels.double(), atol=1e-5),
        "With a radius of 0 each patch has one neighbour, itself, and the labels stay as they "
        "were. Yours change: where the neighbourhood holds fewer than k, those it holds share the "
        "weight.",
    )
    sharp = call(propagate, before, labels, now, 2, 4, 0.01)
    expect(
        torch.isfinite(sharp).all(),
        "At a temperature of 0.01 nan or inf comes out: exp(100) is too large for float32. softmax "
        "takes the largest away first.",
    )
    want = _follow()(before.double(), labels.double(), now.double(), 2, 4, 0.01)
    expect(
        torch.allclose(sharp.double(), want, atol=1e-3),
        "At a temperature of 0.01 the weights are not right: a clamp, or a small number beside the "
        "sum, decides.",
    )
    expect_dtype(propagate, *cases[1])
    expect_any_device(propagate, *cases[1])
