"""Exercise 3.5, a blur of its own for every image: tells apart wrong exponents, kernels that are
not normalised, other ways with the edges, and one sigma for the whole batch.
"""

import math

import torch
from torch import Tensor

from minidino.checks.core import call, check, expect_close, expect_tensor
from minidino.checks.multi_crop.common import expect_device_of_inputs


def _blur(x: Tensor, sigma: Tensor, *, kernel="gauss", normalise="rows", axes="hw", pad=None):
    """Image by image in float64, with a slip in one place."""

    def weight(d: Tensor, s: float) -> Tensor:
        return {
            "gauss": (-(d**2) / (2 * s**2)).exp(),
            "no 2": (-(d**2) / s**2).exp(),
            "variance": (-(d**2) / (2 * s)).exp(),
            "laplace": (-d.abs() / s).exp(),
            "not squared": (-d.abs() / (2 * s**2)).exp(),
            "precedence": (-(d**2) / 2 * s**2).exp(),
            "sign": (d**2 / (2 * s**2)).exp(),
        }[kernel]

    def matrix(size: int, s: float) -> Tensor:
        reach = 0 if pad is None else size - 1  # as far as "reflect" can go
        i, j = torch.arange(size), torch.arange(-reach, size + reach)
        w = weight((i[:, None] - j).double(), s)
        whole = weight(torch.arange(-60, 61).double(), s).sum()
        w = {
            "rows": w / w.sum(1, keepdim=True),
            "columns": w / w.sum(0, keepdim=True),
            "never": w,
            "line": w / whole,
            "itself": w / w,
            "all": w / w.sum(),
        }[normalise]
        if pad == "reflect":
            source = j.abs()
            source = torch.where(source >= size, 2 * (size - 1) - source, source)
        else:
            source = j.clamp(0, size - 1)
        return torch.zeros(size, size, dtype=torch.float64).index_add_(1, source, w)

    out = []
    for image, s in zip(x.double(), sigma.tolist(), strict=True):
        rows = matrix(x.shape[2], s) if "h" in axes else torch.eye(x.shape[2]).double()
        columns = matrix(x.shape[3], s) if "w" in axes else torch.eye(x.shape[3]).double()
        out.append(torch.stack([rows @ channel @ columns.T for channel in image]))
    return torch.stack(out)


@check("3.5", "a blur of its own for every image")
def check_3_5(gaussian_blur):
    def examine(x: Tensor, sigma: Tensor, tolerance: float = 0.01) -> None:
        shared = "One sigma served the whole batch. Each image has its own: sigma[i]."
        not_squared = (
            "The exponent has the distance, not its square: a Gaussian is exp(-d^2 / (2 sigma^2))."
        )
        mean = sigma.mean().expand_as(sigma)
        mistakes = {
            "The exponent is multiplied by sigma^2: d**2 / 2 * sigma**2 means (d**2 / 2) * "
            "sigma**2. Put 2 * sigma**2 in parentheses.": _blur(x, sigma, kernel="precedence"),
            "The minus is missing in the exponent: your weights grow with the distance. A Gaussian "
            "is exp(-d^2 / (2 sigma^2)).": _blur(x, sigma, kernel="sign"),
            shared: _blur(x, sigma[:1].expand_as(sigma)),
            "You averaged the sigmas of the batch. Each image has its own: sigma[i].": _blur(
                x, mean
            ),
            "The kernel is not normalised: the weights of a row must sum to 1, or the picture gets "
            "brighter.": _blur(x, sigma, normalise="never"),
            "Your columns sum to 1, not your rows: the rows of each image's matrix are dim 1, the "
            "weights of a row lie along dim 2.": _blur(x, sigma, normalise="columns"),
            "You divided by the sum of the whole matrix. Each row is normalised on its own: "
            "sum(dim=2, keepdim=True).": _blur(x, sigma, normalise="all"),
            "All weights are 1: with one image, that is what dividing by the sum over the images "
            "(dim 0) gives. The weights of a row lie along dim 2.": _blur(
                x, sigma, normalise="itself"
            ),
            "The edges get dark: beyond the picture you count zeros (zero padding). Normalise each "
            "row over the pixels that exist.": _blur(x, sigma, normalise="line"),
            "You mirrored the picture at its edge (reflect padding), as torchvision does. Here "
            "each row is normalised over the pixels that exist.": _blur(x, sigma, pad="reflect"),
            "You repeated the outermost pixels (replicate padding). Here each row is normalised "
            "over the pixels that exist.": _blur(x, sigma, pad="replicate"),
            "The 2 is missing: a Gaussian is exp(-d^2 / (2 sigma^2)).": _blur(
                x, sigma, kernel="no 2"
            ),
            "You divided by sigma instead of its square: a Gaussian is exp(-d^2 / (2 sigma^2)); "
            "sigma is the standard deviation, not the variance.": _blur(
                x, sigma, kernel="variance"
            ),
            not_squared: _blur(x, sigma, kernel="laplace"),
            not_squared + " (The 2 sigma^2 is right.)": _blur(x, sigma, kernel="not squared"),
            "Only the columns are mixed: the picture is smeared sideways. Blur the rows "
            "too.": _blur(x, sigma, axes="w"),
            "Sideways nothing is mixed: one row of pixels comes back as it was. Blur the columns "
            "too.": _blur(x, sigma, axes="h"),
        }
        got = call(gaussian_blur, x, sigma)
        want = _blur(x, sigma)
        expect_close(got, want, mistakes, names="(n, 3, H, W)", tolerance=tolerance)

    # By hand: three pixels, weights 1, 1/2 and 1/16 at distances 0, 1 and 2.
    dot = torch.tensor([0.0, 1.0, 0.0]).expand(1, 3, 1, 3)
    sigma = torch.tensor([(2 * math.log(2)) ** -0.5])
    got = call(gaussian_blur, dot, sigma)
    expect_tensor(got, (1, 3, 1, 3), "(n, 3, H, W)")
    examine(dot, sigma, tolerance=1e-3)
    # From here on a kernel that is cut off at 3 sigma is as good.
    x = torch.rand(3, 3, 9, 12)
    sigma = torch.tensor([0.6, 1.7, 0.9])
    examine(x, sigma)
    examine(torch.full((2, 3, 8, 8), 0.75), torch.tensor([2.0, 0.5]))
    # The smallest sigma of DINO: no neighbour counts, and nothing is nan.
    sharp = torch.tensor([0.1, 0.1, 2.0])
    examine(x, sharp)
    expect_device_of_inputs(gaussian_blur, x, sigma)
