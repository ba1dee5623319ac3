"""Exercise 11.4, PCA as colours: tells apart what is fitted on what, which way, on which scale."""

import itertools

import torch
from torch import Tensor

from minidino.checks.compare import compare, unsteady
from minidino.checks.core import call, check, expect, expect_dtype
from minidino.checks.mistakes import Table


def _centred(f: Tensor) -> Tensor:
    return f - f.flatten(0, -2).mean(0)


def _directions(x: Tensor) -> Tensor:
    """(M, D) -> (D, D), columns; the first is the one along which x varies most."""
    return torch.linalg.eigh(x.T @ x).eigenvectors.flip(1)


def _first_three(x: Tensor) -> Tensor:
    return _directions(x)[:, :3]


def _by_largest(v: Tensor, x: Tensor) -> Tensor:
    """The weight of largest magnitude is positive."""
    return v * v.gather(0, v.abs().argmax(0, keepdim=True)).sign()


def _over_all(y: Tensor) -> Tensor:
    low, high = y.flatten(0, 2).amin(0), y.flatten(0, 2).amax(0)
    return (y - low) / (high - low)


def _same(y: Tensor) -> Tensor:
    return y


def _colours(
    before=_same, centred=_centred, fitted=_first_three, sign=_by_largest, scaled=_over_all,
    end=_same,
):  # fmt: skip
    def answer(features: Tensor) -> Tensor:
        f = centred(before(features))
        x = f.flatten(0, 2)
        v = fitted(x)
        return end(scaled(f @ sign(v, x)))

    return answer


def _each_alone(answer):
    """Every picture as if it were the only one."""
    return lambda features: torch.cat([answer(one[None]) for one in features])


SET = "One fit for the set: mean and directions of *all* patches of *all* pictures."
CENTRED: Table = {
    f"Every picture has its own mean taken away, so what tells one picture from another is gone. "
    f"{SET}": lambda f: f - f.mean((1, 2), keepdim=True),
    "The mean is not taken away: the first direction then points to the mean. Center first, then "
    "the directions.": _same,
    "One number, the mean of everything, was taken away. Each feature has its own mean: over all "
    "patches, (D,).": lambda f: f - f.mean(),
    "The mean over the D features was taken away, one number a patch. The mean over all patches: "
    "(D,).": lambda f: f - f.mean(-1, keepdim=True),
    "Each place of the grid has its own mean (over the pictures alone). One mean, over pictures "
    "and places.": lambda f: f - f.mean(0, keepdim=True),
    "The median was taken away. The mean is asked for.": (
        lambda f: f - f.flatten(0, 2).median(0).values
    ),
    "The features were divided by their standard deviations as well (a PCA of correlations). Only "
    "the mean is taken away.": lambda f: _centred(f) / f.flatten(0, 2).std(0),
    "The features were divided by each picture's own standard deviation. Only the mean of the set "
    "is taken away.": lambda f: _centred(f) / f.std((1, 2), keepdim=True),
}
BEFORE: Table = {
    "The patches were brought to length 1 first. They are used as they are.": (
        lambda f: f / f.norm(dim=-1, keepdim=True)
    ),
    "A softmax was taken of the features first. They are used as they are.": (
        lambda f: f.softmax(-1)
    ),
}
FITTED: Table = {
    "These are the three directions of the *least* variance. eigh gives the smallest first: the "
    "last three columns, turned round.": lambda x: _directions(x).flip(1)[:, :3],
    "The three right directions stand in the wrong order: red is the third, and blue the "
    "first. eigh gives the smallest first; turn the last three columns round.": lambda x: (
        _first_three(x).flip(1)
    ),
    "These are the directions 2, 3 and 4: the first is left out.": lambda x: _directions(x)[:, 1:4],
    "There is no PCA: these are the first three of the D features.": (
        lambda x: torch.eye(x.shape[1], dtype=x.dtype)[:, :3]
    ),
    "There is no PCA: these are the three features with the largest variance. Directions mix "
    "features.": lambda x: torch.eye(x.shape[1], dtype=x.dtype)[:, x.var(0).topk(3).indices],
    "The first direction came three times.": lambda x: _directions(x)[:, [0, 0, 0]],
}
WAY = (
    "A direction has two ways, v and -v, and the library returns either. Yours is the one in which "
    "the weight of largest magnitude is positive."
)
SIGNS: Table = {
    f"All three directions point the other way. {WAY}": lambda v, x: -_by_largest(v, x),
    f"The sign follows the *first* weight. {WAY}": lambda v, x: v * v[:1].sign(),
    f"The sign follows the *last* weight. {WAY}": lambda v, x: v * v[-1:].sign(),
    f"The sign follows the sum of the weights. {WAY}": lambda v, x: v * v.sum(0).sign(),
    f"The sign follows the largest projection (scikit-learn's svd_flip may do that): one patch "
    f"more, and the colours turn. {WAY}": lambda v, x: v * _sign_of_largest(x @ v),
    f"Absolute values of the weights were taken. {WAY}": lambda v, x: v.abs(),
}


def _sign_of_largest(y: Tensor) -> Tensor:
    return y.gather(0, y.abs().argmax(0, keepdim=True)).sign()


SCALE = (
    "One scale for the set: of each colour the smallest of all patches becomes 0, the largest 1."
)
SCALED: Table = {
    f"Every picture has its own scale, so one colour means another thing in each. {SCALE}": (
        lambda y: (
            (y - y.amin((1, 2), keepdim=True))
            / (y.amax((1, 2), keepdim=True) - y.amin((1, 2), keepdim=True))
        )
    ),
    f"One smallest and one largest for the three colours together: green and blue hardly change. "
    f"{SCALE}": lambda y: (y - y.min()) / (y.max() - y.min()),
    f"Every patch has its own scale, over its three colours. {SCALE}": (
        lambda y: (
            (y - y.amin(-1, keepdim=True)) / (y.amax(-1, keepdim=True) - y.amin(-1, keepdim=True))
        )
    ),
    f"These are the projections; they are not brought to 0..1. {SCALE}": _same,
    f"The projections are cut to 0..1, without a scale. {SCALE}": lambda y: y.clamp(0, 1),
    f"You divided by the largest and took nothing away. {SCALE}": (
        lambda y: y / y.flatten(0, 2).amax(0)
    ),
    f"You took the smallest away and divided by the largest, which was read before. Divide by "
    f"largest less smallest. {SCALE}": (
        lambda y: (y - y.flatten(0, 2).amin(0)) / y.flatten(0, 2).amax(0)
    ),
    f"You took the smallest away and did not divide. {SCALE}": lambda y: (
        y - y.flatten(0, 2).amin(0)
    ),
    f"You took a sigmoid. {SCALE}": lambda y: y.sigmoid(),
    f"You took a sigmoid of standard scores. {SCALE}": (
        lambda y: (y / y.flatten(0, 2).std(0)).sigmoid()
    ),
    f"You took a sigmoid of twice the standard scores, as is done to draw DINOv3's. {SCALE}": (
        lambda y: (2 * y / y.flatten(0, 2).std(0)).sigmoid()
    ),
    f"Smallest and largest are taken over dimensions 0 and 1, so each column has a scale of its "
    f"own. Over pictures, rows and columns: (0, 1, 2). {SCALE}": lambda y: (
        (y - y.amin((0, 1), keepdim=True))
        / (y.amax((0, 1), keepdim=True) - y.amin((0, 1), keepdim=True))
    ),
    f"You took a softmax over the three colours. {SCALE}": lambda y: y.softmax(-1),
    f"These are standard scores, with mean 0 and spread 1. {SCALE}": (
        lambda y: (y - y.flatten(0, 2).mean(0)) / y.flatten(0, 2).std(0)
    ),
    f"These go from -1 to 1. {SCALE}": lambda y: 2 * _over_all(y) - 1,
    f"You divided by the largest magnitude: 0 stays where it is, and part of the range is empty. "
    f"{SCALE}": lambda y: (y / y.flatten(0, 2).abs().amax(0) + 1) / 2,
    f"You cut at the 2% and 98% quantiles. That makes stronger pictures; here take the smallest "
    f"and the largest. {SCALE}": lambda y: _between_quantiles(y, 0.02),
    f"You cut at the 1% and 99% quantiles. That makes stronger pictures; here take the smallest "
    f"and the largest. {SCALE}": lambda y: _between_quantiles(y, 0.01),
    f"The scale is that of the first picture. {SCALE}": lambda y: (
        (y - y[:1].amin((1, 2), keepdim=True))
        / (y[:1].amax((1, 2), keepdim=True) - y[:1].amin((1, 2), keepdim=True))
    ),
    f"Absolute values of the projections were taken. {SCALE}": lambda y: _over_all(y.abs()),
}


def _between_quantiles(y: Tensor, q: float) -> Tensor:
    low, high = (y.flatten(0, 2).quantile(p, dim=0) for p in (q, 1 - q))
    return ((y - low) / (high - low)).clamp(0, 1)


ENDS: Table = {
    "The colours are bytes, 0 to 255. 0 to 1 is asked for.": lambda c: 255 * c,
    "The colours are whole numbers, 0 to 255 (cut to bytes). 0 to 1 is asked for.": (
        lambda c: (255 * c).floor()
    ),
    "The colours are the second dimension, (N, 3, h, w). They are the last: (N, h, w, 3).": (
        lambda c: torch.Size((c.shape[0], 3, *c.shape[1:3]))
    ),
    "The pictures lie flat, (N, h * w, 3). Give them back their rows and columns.": (
        lambda c: torch.Size((c.shape[0], c.shape[1] * c.shape[2], 3))
    ),
    "All patches lie in one list, (N * h * w, 3). Give them back their pictures, rows and "
    "columns.": (lambda c: torch.Size((c.shape[0] * c.shape[1] * c.shape[2], 3))),
    "h and w are exchanged on the way back: (N, h, w, 3).": (
        lambda c: torch.Size((c.shape[0], c.shape[2], c.shape[1], 3))
    ),
    "Rows and columns are exchanged within each picture: a reshape to (w, h) and a transpose.": (
        lambda c: c.reshape(c.shape[0], c.shape[2], c.shape[1], 3).transpose(1, 2)
    ),
    "One number a patch came back. Three are asked for, (N, h, w, 3).": (
        lambda c: torch.Size(c.shape[:3])
    ),
}


def _fitted_on(some):
    """Mean and directions of some of the patches, applied to all."""

    def answer(features: Tensor) -> Tensor:
        x = some(features)
        mean = x.mean(0)
        v = _by_largest(_first_three(x - mean), x - mean)
        return _over_all((features - mean) @ v)

    return answer


def _signs_each(features: Tensor) -> Tensor:
    """One fit, but every picture turns each colour by its own largest projection."""
    f = _centred(features)
    y = f @ _first_three(f.flatten(0, 2))
    flat = y.flatten(1, 2)
    turn = flat.gather(1, flat.abs().argmax(1, keepdim=True)).sign()
    return _over_all(y * turn[:, :, None])


def _mistakes() -> Table:
    table = {m: _colours(centred=piece) for m, piece in CENTRED.items()}
    table |= {m: _colours(before=piece) for m, piece in BEFORE.items()}
    table |= {m: _colours(fitted=piece) for m, piece in FITTED.items()}
    table |= {m: _colours(sign=piece) for m, piece in SIGNS.items()}
    table |= {m: _colours(scaled=piece) for m, piece in SCALED.items()}
    table |= {m: _colours(end=piece) for m, piece in ENDS.items()}
    return table | {
        f"Every picture has a PCA of its own (mean, directions and scale): the same thing is red "
        f"in one and green in the next. {SET}": _each_alone(_colours()),
        f"Every picture has its own mean and directions; only the scale is common. {SET}": (
            lambda features: _over_all(
                torch.cat([_colours(scaled=_same)(one[None]) for one in features])
            )
        ),
        f"The PCA is fitted on the first picture and applied to all. {SET}": _fitted_on(
            lambda f: f[0].flatten(0, 1)
        ),
        f"The PCA is fitted on the last picture and applied to all. {SET}": _fitted_on(
            lambda f: f[-1].flatten(0, 1)
        ),
        f"The PCA is fitted on the pictures' mean patches, which are few. {SET}": _fitted_on(
            lambda f: f.mean((1, 2))
        ),
        f"The fit is common, but each picture turns its colours by its own largest projection. "
        f"{WAY} So one way for the set.": _signs_each,
        "The mean is not taken away, and the pictures are scaled one by one. "
        f"{SCALE} And center first.": _colours(
            centred=_same, scaled=next(iter(SCALED.values()))
        ),
        "The features came back: D numbers a patch. Three colours are asked for.": (
            lambda features: features.shape
        ),
    }  # fmt: skip


UNSURE = f"The colours are right but for their ways: a channel is 1 less the right one. {WAY}"


def _some_turned(got: Tensor, right: Tensor) -> bool:
    """Each of the three colours is the right one, or that turned round."""
    return any(
        torch.allclose(got.double(), torch.where(torch.tensor(turned), 1 - right, right), atol=1e-3)
        for turned in itertools.product((False, True), repeat=3)
    )


ROWS = (
    "Rows of the matrix of eigenvectors were taken. Directions are its *columns*: "
    "eigenvectors[:, -3:]."
)


def _by_rows(features: Tensor, got: Tensor) -> bool:
    """Is it what rows of the eigenvectors give, whatever the signs of the columns?"""
    f = _centred(features.double())
    x = f.flatten(0, 2)
    ascending = torch.linalg.eigh(x.T @ x).eigenvectors
    for signs in itertools.product((-1.0, 1.0), repeat=len(ascending)):
        v = ascending * torch.tensor(signs, dtype=torch.float64)
        for rows in (v[:3], v[-3:], v[-3:].flip(0)):
            for one in (rows, rows.flip(1)):
                found = _over_all(f @ _by_largest(one.T, x))
                if torch.allclose(found, got.double(), atol=5e-3):
                    return True
    return False


DRAWN = (
    "The same features give other colours the second time: something is drawn at random. "
    "torch.pca_lowrank and svd_lowrank do so, and their directions come only near the right ones. "
    "An exact decomposition draws nothing."
)


def _otherwise(case: tuple, got: object, right: Tensor) -> str | None:
    if isinstance(got, Tensor) and got.shape == right.shape:
        if _some_turned(got, right):
            return UNSURE
        if _by_rows(*case, got):
            return ROWS
    return None


def _case(n: int, h: int, w: int, dim: int, turn: bool) -> tuple[Tensor]:
    """Patches that vary most along four directions, one less than the other; pictures differ."""
    m = torch.randn(dim, dim, dtype=torch.float64)
    if not turn:  # weights of which the largest has another sign than the sum
        m[:, 0] = torch.tensor([-3.0, 2.0, 2.0, 1.0] + [0.5] * (dim - 4))
    basis = torch.linalg.qr(m).Q
    if turn:  # the same kind of data seen in a mirror: a library's own signs turn, ours do not
        basis = basis * (1 - 2 * (torch.arange(dim) % 2)[:, None])
    spread = torch.tensor([3.0, 2.0, 1.4, 1.0] + [0.3] * (dim - 4), dtype=torch.float64)
    own = 0.6 * torch.randn(n, 1, 1, dim, dtype=torch.float64)
    x = (torch.randn(n, h, w, dim, dtype=torch.float64).tanh() + own) * spread
    return (((x + 0.5 * spread.roll(1)) @ basis.T).float(),)


@check("11.4", "one set of colours")
def check_11_4(pca_colours):
    cases = [
        _case(3, 4, 5, 6, False),
        _case(4, 3, 4, 5, True),
        _case(2, 6, 3, 7, False),
        _case(5, 3, 3, 6, True),
        _case(3, 5, 4, 8, True),
    ]
    # By hand: along the axes, with spreads 4, 2 and 1.
    x = torch.zeros(6, 4)
    x[range(6), [2, 2, 0, 0, 1, 1]] = torch.tensor([4.0, -4.0, 2.0, -2.0, 1.0, -1.0])
    cases.append((x.view(1, 2, 3, 4),))
    drawn = unsteady(pca_colours, cases[0])
    compare(
        pca_colours,
        cases,
        _colours(),
        _mistakes(),
        "(N, h, w, 3)",
        "The tensor of colours",
        2e-3,
        otherwise=lambda *told: DRAWN if drawn([]) else _otherwise(*told),
    )
    got = call(pca_colours, cases[0][0])
    expect(
        float(got.min()) >= -1e-6 and float(got.max()) <= 1 + 1e-6,
        f"Colours lie between 0 and 1; yours go from {got.min():.4f} to {got.max():.4f}.",
    )
    moved = call(pca_colours, cases[1][0] + 2000)
    expect(
        torch.allclose(moved.double(), _colours()(cases[1][0].double() + 2000), atol=0.02),
        "With 2000 added to all features the colours change. Take the mean away *before* the "
        "covariance: x^T x / n less the mean's square loses its digits.",
    )
    expect_dtype(pca_colours, *cases[2])
