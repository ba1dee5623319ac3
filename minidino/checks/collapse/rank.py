"""Exercise 6.3, effective rank: tells apart what is centred, how singular values become shares and
shares a number, and whether the size of the features matters.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import call, check, expect
from minidino.checks.mistakes import both, with_piece


def _h(q: Tensor) -> Tensor:
    return torch.special.entr(q).sum(-1)


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(0)


def _shares(s: Tensor) -> Tensor:
    return s / s.sum()


def _exp_entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum().exp()


def _rank(centre=_centred, shares=_shares, final=_exp_entropy, values=torch.linalg.svdvals):
    return lambda x: final(shares(values(centre(x))))


NOT_CENTRED = (
    "You did not centre the features. The largest singular value is then their mean, which all "
    "images share; subtract features.mean(dim=0) first."
)
LENGTHS = "You scaled each image's feature to length 1. Here lengths count: only centre."
SQUARED = (
    "You squared the singular values, or took the covariance's eigenvalues, which are their "
    "squares. Normalise the singular values themselves."
)
PLAIN_SVD = "Your singular values are no singular values: "
WRONG_CENTRES = {
    NOT_CENTRED: lambda x: x,
    "You centred each image's feature over its own dimensions. Subtract the mean over the images: "
    "features.mean(dim=0).": lambda x: x - x.mean(1, keepdim=True),
    "You centred both ways, over the images and over the dimensions. Subtract the mean over the "
    "images alone.": lambda x: _centred(x) - _centred(x).mean(1, keepdim=True),
    "You subtracted one number, the mean of all features. Each dimension has its own: "
    "features.mean(dim=0).": lambda x: x - x.mean(),
    "You subtracted the median. Centred means: less the mean over the images.": (
        lambda x: x - x.median(0).values
    ),
    "You subtracted the median. Centred means: less the mean over the images. (Yours is NumPy's.)":
        lambda x: x - x.quantile(0.5, dim=0),
    "You subtracted the first image's feature. Subtract the mean over the images.": (
        lambda x: x - x[0]
    ),
    "You subtracted the smallest of each dimension. Subtract the mean over the images.": (
        lambda x: x - x.amin(0)
    ),
    "You gave every dimension the same spread (standardised). A dimension that hardly varies "
    "counts hardly: only centre.": lambda x: _centred(x) / (x.std(0) + 1e-9),
    "You divided by the standard deviation and did not centre. Subtract features.mean(dim=0), and "
    "divide by nothing.": lambda x: x / (x.std(0) + 1e-9),
    LENGTHS: lambda x: _centred(F.normalize(x)),
    f"{LENGTHS} And centre the features.": F.normalize,
    f"{LENGTHS} (You did it after centring.)": lambda x: F.normalize(_centred(x)),
    "You took a softmax of the features. Only centre them.": lambda x: _centred(x.softmax(-1)),
    "You computed in half precision (bfloat16), where a mean of 1,000 leaves no room for "
    "differences of 1. Use float32 or float64.": lambda x: _centred(x.bfloat16().double()),
    "You computed in half precision (float16). Use float32 or float64.": (
        lambda x: _centred(x.half().double())
    ),
}  # fmt: skip
WRONG_SHARES = {
    SQUARED: lambda s: _shares(s**2),
    "You did not normalise the singular values. Divide them by their sum, so that they are a "
    "distribution.": lambda s: s,
    "You squared the singular values and did not normalise them. Divide the singular values "
    "themselves by their sum.": lambda s: s**2,
    "You divided the singular values by the largest one. Divide by their sum, so that they are a "
    "distribution.": lambda s: s / s.max(),
    "You divided by the length of the vector of singular values (L2). Divide by their sum, so that "
    "they are a distribution.": lambda s: s / s.norm(),
    "You squared the singular values over their length: these are shares of the variance. Divide "
    "the singular values themselves by their sum.": lambda s: (s / s.sum()) ** 2,
    "You took a softmax of the singular values. Divide them by their sum.": lambda s: s.softmax(-1),
    "You divided the singular values by their number, or took their mean. Divide by their sum.": (
        lambda s: s / len(s)
    ),
    "You left out the largest singular value. After centring the mean is gone already: all of them "
    "count.": lambda s: _shares(s[1:]),
    "You left out the smallest singular value. All of them count.": lambda s: _shares(s[:-1]),
    "You took the roots of the singular values. svdvals gives the singular values: they are "
    "normalised as they are.": lambda s: _shares(s.sqrt()),
    "You took the singular values to the fourth power (squares of eigenvalues). Normalise the "
    "singular values themselves.": lambda s: _shares(s**4),
    "You took log(1 + s) of the singular values. Normalise them as they are.": (
        lambda s: _shares(s.log1p())
    ),
}  # fmt: skip
COUNTED = (
    "You counted the singular values above 0. A direction that is hardly used counts hardly: exp "
    "of the entropy of the normalised values."
)
WRONG_FINALS = {
    "This is the entropy. Its exponential is a number of directions: K equal singular values have "
    "the entropy ln K and the effective rank K.": lambda p: _h(p),
    "The entropy is in bits (log2), but exp undoes the natural logarithm. Use ln and exp, or log2 "
    "and 2**.": lambda p: (_h(p) / math.log(2)).exp(),
    "This is 2 to the power of an entropy in nats. Use ln and exp, or log2 and 2**.": (
        lambda p: 2 ** _h(p)
    ),
    "This is the entropy in bits. Effective rank is exp of the entropy in nats.": (
        lambda p: _h(p) / math.log(2)
    ),
    "This is 10 to the power of an entropy in nats. Use ln and exp.": lambda p: 10 ** _h(p),
    "This is exp of an entropy to base 10. Use ln and exp.": (
        lambda p: (_h(p) / math.log(10)).exp()
    ),
    "The minus stands outside exp: -exp(sum p log p). It belongs to the sum, inside.": (
        lambda p: -(-_h(p)).exp()
    ),
    "The minus stands outside exp, and the logarithm is log2. exp(-sum p ln p) is asked for.": (
        lambda p: -(-_h(p) / math.log(2)).exp()
    ),
    "The sign of the entropy is turned round: a rank is never below 1.": lambda p: (-_h(p)).exp(),
    "You averaged over the directions; the entropy is a sum.": (
        lambda p: torch.special.entr(p).mean().exp()
    ),
    "The logarithms are not weighted: the entropy is -sum p log p.": (
        lambda p: (-p[p > 1e-6].log().sum()).exp()
    ),
    "exp stands inside the sum. First the sum, which is the entropy; then its exponential.": (
        lambda p: torch.special.entr(p).exp().sum()
    ),
    "This is the participation ratio, (sum s)^2 / sum s^2. It is a relative; the exercise asks for "
    "exp of the entropy.": lambda p: 1 / p.square().sum(),
    "This is the participation ratio of the variances. It is a relative; the exercise asks for "
    "exp of the entropy of the singular values.": lambda p: p.square().sum() ** 2 / (p**4).sum(),
    "This is the stable rank, sum s^2 / max s^2. It is a relative; the exercise asks for exp of "
    "the entropy.": lambda p: p.square().sum() / p.max() ** 2,
    "This is sum s / max s. It is a relative; the exercise asks for exp of the entropy.": (
        lambda p: 1 / p.max()
    ),
    "This is the Gini impurity, sum p (1 - p). The exercise asks for exp of the entropy.": (
        lambda p: (p * (1 - p)).sum()
    ),
    COUNTED: lambda p: torch.tensor(float((p > 1e-6).sum())),
    "You counted the singular values above a hundredth of the largest. No threshold: exp of the "
    "entropy of the normalised values.": lambda p: torch.tensor(float((p > 0.01 * p.max()).sum())),
    "You counted the singular values above a hundredth of their sum. No threshold: exp of the "
    "entropy of the normalised values.": lambda p: torch.tensor(float((p > 0.01).sum())),
    "You counted the directions that hold 95% of the variance. No threshold: exp of the entropy of "
    "the normalised values.": lambda p: torch.tensor(
        float((_shares(p.square()).cumsum(0) < 0.95).sum() + 1)
    ),
    "You rounded it to a whole number. An effective rank lies between: return it as it is.": (
        lambda p: _exp_entropy(p).round()
    ),
    "You cut it to a whole number (int, //). An effective rank lies between: return it as it is.": (
        lambda p: _exp_entropy(p).floor()
    ),
    "You rounded it up to a whole number. An effective rank lies between: return it as it is.": (
        lambda p: _exp_entropy(p).ceil()
    ),
    "You divided by the number of singular values: a share of the directions. Their number is "
    "asked for.": lambda p: _exp_entropy(p) / len(p),
    "This is the entropy over its largest value, a share between 0 and 1. The number of directions "
    "is asked for: exp of the entropy.": lambda p: _h(p) / math.log(len(p)),
}
# features -> what is wrong in more places than one
WRONG_RANKS = {
    f"{NOT_CENTRED} The singular values are squared, too.": _rank(
        lambda x: x, lambda s: _shares(s**2)
    ),
    "You divided by the number of dimensions D: a share of them. The number of directions is asked "
    "for.": lambda x: _rank()(x) / x.shape[1],
    "You divided by the number of images. The number of directions is asked for.": (
        lambda x: _rank()(x) / x.shape[0]
    ),
    f"{PLAIN_SVD}these are the standard deviations of the dimensions. Directions may lie across "
    "them: torch.linalg.svdvals.": _rank(values=lambda x: x.std(0)),
    f"{PLAIN_SVD}these are the variances of the dimensions. Directions may lie across them: "
    "torch.linalg.svdvals.": _rank(values=lambda x: x.var(0)),
    f"{PLAIN_SVD}you took U, the first of the three matrices. The singular values are S, the "
    "second: torch.linalg.svdvals.": _rank(
        values=lambda x: torch.linalg.svd(x, full_matrices=False).U.abs().sum(0)
    ),
    f"{PLAIN_SVD}you took V, the last of the three matrices. The singular values are S, the "
    "second: torch.linalg.svdvals.": _rank(
        values=lambda x: torch.linalg.svd(x, full_matrices=False).Vh.abs().sum(1)
    ),
    f"{PLAIN_SVD}these are lengths of the images' features. torch.linalg.svdvals gives the spread "
    "along each direction.": _rank(values=lambda x: x.norm(dim=1)),
    f"{PLAIN_SVD}you normalised the whole matrix of (absolute) features. torch.linalg.svdvals "
    "first.": _rank(values=lambda x: x.abs().flatten()),
    f"{PLAIN_SVD}these are the eigenvalues of the correlations, which give every dimension the "
    "same spread.": _rank(lambda x: _centred(x) / (x.std(0) + 1e-9), lambda s: _shares(s**2)),
}  # fmt: skip
SIZE = (
    "Effective rank does not see size: features a thousand million times smaller, or a hundred "
    "thousand times larger, have the same. Yours changes from {0:.4g} to {1:.4g}. Is a number of a "
    "fixed size in it (a threshold, an eps that is added, allclose), or half precision?"
)
NOT_EQUAL = (
    "You return 0 for features that are not all the same. Do you compare only some rows or "
    "columns? (features == features[0]).all() asks all of them."
)
EQUAL = "Where all features are the same there is no direction: return 0. Yours is {0:.4g}. "
ROUNDING = (
    "The mean of equal numbers is rounded, so centring leaves something like 1e-8 in place of 0, "
    "and dividing by the sum makes a direction of it. Compare the rows before you centre: "
    "(features == features[0]).all()."
)
ALL_ZERO = (
    "The singular values are all 0, and so is the sum you divide by; and where that is mended, the "
    "entropy is 0 and exp(0) is 1. Return 0 before you divide."
)
NAN = (
    "Features that do not fill the space give nan: a singular value is 0, and 0 * log(0) is nan to "
    "a computer. torch.special.entr(p) is -p log p with 0 at 0."
)


@check("6.3", "effective rank")
def check_6_3(effective_rank):
    def rank(x: Tensor) -> Tensor | float:
        got = call(effective_rank, x)
        expect(
            isinstance(got, Tensor | float | int | np.generic),
            f"Return a number; yours is a {type(got).__name__}.",
        )
        return float(got) if isinstance(got, np.generic) else got

    # A flat cross, away from the origin: singular values sqrt(2) times (3, 1, 0).
    cross = torch.tensor([[3.0, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]])
    cross += torch.tensor([10.0, 0.0, 5.0])
    skewed = torch.randn(60, 8).exp() @ torch.diag(torch.arange(0.5, 4.1, 0.5)) @ torch.randn(8, 8)
    few = 2.0 * torch.randn(6, 20) @ torch.diag(0.8 ** torch.arange(20.0)) + 3 * torch.randn(20)
    shifted = 0.3 * skewed[:40] + 1000 * torch.randn(8)
    cases = [(cross,), (skewed + 4,), (few,), (shifted,), (0.1 * few[:, :9],)]
    mistakes = (
        with_piece(lambda centre: _rank(centre), WRONG_CENTRES)
        | with_piece(lambda shares: _rank(shares=shares), WRONG_SHARES)
        | with_piece(lambda final: _rank(final=final), WRONG_FINALS)
        | WRONG_RANKS
    )
    expect(not torch.as_tensor(rank(cross)).isnan().any(), NAN)
    compare(
        rank,
        cases,
        _rank(),
        mistakes,
        "one number",
        "The effective rank",
        tolerance=2e-3,
        at_once=both(_rank, centre=WRONG_CENTRES, shares=WRONG_SHARES, final=WRONG_FINALS),
    )
    # Not all the same, though the first rows are, or a row and the last, or a column.
    partly = [x.clone() for x in (skewed, few, cross)]
    for x in partly:
        x[1] = x[-1] = x[0]
        x[:, 0] = x[0, 0]
    partly = [(x,) for x in partly]
    what = "Where some rows are equal, the effective rank"
    compare(rank, partly, _rank(), {NOT_EQUAL: lambda x: 0.0}, what=what, tolerance=2e-3)
    scaled = [(scale * x,) for scale in (1e-9, 1e5) for x in (skewed, few)]
    compare(
        rank, scaled, _rank(), tolerance=2e-3,
        otherwise=lambda _, got, right: SIZE.format(float(right), float(got)),
    )  # fmt: skip
    one = torch.randn(1, 5)
    for x in (torch.ones(7, 3), torch.zeros(4, 5), one.repeat(7, 1), 1e4 * one.repeat(60, 1), one):
        got = float(rank(x))
        reason = ROUNDING if got > 0 and (x != x.mean(0)).any() else ALL_ZERO
        expect(abs(got) < 1e-6, EQUAL.format(got) + reason)
