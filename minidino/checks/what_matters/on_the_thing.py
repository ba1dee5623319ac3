"""Exercise 10.4, attention on the thing: tells apart other masses, other areas and other shares."""

import contextlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import check, expect_any_device, expect_dtype
from minidino.checks.mistakes import Table


def _blocks(truth: Tensor, maps: Tensor) -> Tensor:
    """(B, H, W) -> (B, h, w, pixels of a patch)."""
    (n, height, width), (h, w) = truth.shape, maps.shape[-2:]
    x = truth.double().view(n, h, height // h, w, width // w)
    return x.permute(0, 1, 3, 2, 4).flatten(3)


def _shares(maps: Tensor, truth: Tensor) -> Tensor:
    """(B, h, w): how much of each patch is the thing."""
    return _blocks(truth, maps).mean(-1)


def _normal(maps: Tensor) -> Tensor:
    return maps / maps.sum((-2, -1), keepdim=True)


def _mass(maps: Tensor, shares: Tensor) -> Tensor:
    return (_normal(maps) * shares[:, None]).sum((-2, -1))


def _area(maps: Tensor, truth: Tensor) -> Tensor:
    return truth.double().mean((-2, -1))[:, None]


def _divided(mass: Tensor, area: Tensor) -> Tensor:
    return mass / area


def _lift(shares=_shares, mass=_mass, area=_area, end=_divided):
    return lambda maps, truth: end(mass(maps, shares(maps, truth)), area(maps, truth))


PATCHES = (
    "A patch at the edge of the thing counts with the share of its pixels that are the thing: the "
    "mean of truth over the patch."
)
BILINEAR = (
    "The truth was resized bilinearly, which looks at a few pixels in the middle of each patch. "
    + PATCHES
)
SHARES = {
    f"A patch counts as thing if more than half of it is. {PATCHES}": (
        lambda maps, truth: (_shares(maps, truth) > 0.5).double()
    ),
    f"A patch counts as thing if half of it or more is. {PATCHES}": (
        lambda maps, truth: (_shares(maps, truth) >= 0.5).double()
    ),
    f"A patch counts as thing if any pixel of it is. {PATCHES}": (
        lambda maps, truth: (_shares(maps, truth) > 0).double()
    ),
    f"A patch counts as thing only if all of it is. {PATCHES}": (
        lambda maps, truth: (_shares(maps, truth) == 1).double()
    ),
    f"One pixel of each patch decides, its first (nearest neighbour). {PATCHES}": (
        lambda maps, truth: _blocks(truth, maps)[..., 0]
    ),
    BILINEAR: lambda maps, truth: _bilinear(truth.double()[:, None], maps.shape[-2:])[:, 0],
    "Pixels of the thing are summed in each patch. Take their mean.": (
        lambda maps, truth: _blocks(truth, maps).sum(-1)
    ),
    "What you counted is the stuff, ~truth.": lambda maps, truth: 1 - _shares(maps, truth),
    "The truth was reshaped to (B, h, w, p, p), which mixes its rows: a patch's rows lie W pixels "
    "apart. (B, h, p, w, p), then the mean over both p.": (
        lambda maps, truth: truth.double().reshape(len(truth), *maps.shape[-2:], -1).mean(-1)
    ),
    "Every image is judged by the first image's truth.": (
        lambda maps, truth: _shares(maps, truth)[:1].expand(len(truth), -1, -1)
    ),
    "The truth is upside down (a flip).": lambda maps, truth: _shares(maps, truth).flip(-2),
}
MASSES = {
    "The maps are not divided by their sums. A map of patches alone sums to less than 1, by what "
    "[CLS] gives itself; share is share of the patches' mass.": (
        lambda maps, shares: (maps * shares[:, None]).sum((-2, -1))
    ),
    "You took the mean of the map on the thing in place of its share (patches are counted "
    "again).": (
        lambda maps, shares: (maps * shares[:, None]).sum((-2, -1)) / shares.sum((-2, -1))[:, None]
    ),
    "A softmax was taken of the maps. They are shares already; divide by their sums.": (
        lambda maps, shares: (maps.flatten(2).softmax(-1).view_as(maps) * shares[:, None]).sum(
            (-2, -1)
        )
    ),
    "The maps are divided by their largest entry. Divide by their sums.": (
        lambda maps, shares: (maps / maps.amax((-2, -1), keepdim=True) * shares[:, None]).sum(
            (-2, -1)
        )
    ),
    "The maps are divided by one sum for all heads of an image. Each head is a map.": (
        lambda maps, shares: (maps / maps.sum((1, 2, 3), keepdim=True) * shares[:, None]).sum(
            (-2, -1)
        )
    ),
    "The maps are divided by one sum for all images. Each head of each image is a map.": (
        lambda maps, shares: (maps / maps.sum() * shares[:, None]).sum((-2, -1))
    ),
    "The smallest entry was taken away from each map first. Divide by the sum only.": (
        lambda maps, shares: _mass(maps - maps.amin((-2, -1), keepdim=True), shares)
    ),
    "The maps were squared first.": lambda maps, shares: _mass(maps**2, shares),
    "You compared the thing with the brightest patch alone (argmax). All mass counts.": (
        lambda maps, shares: (
            shares.flatten(1)[:, None]
            .expand(-1, maps.shape[1], -1)
            .gather(2, maps.flatten(2).argmax(2, keepdim=True))[..., 0]
        )
    ),
    "The heads were averaged first; each has a number of its own, (B, heads).": (
        lambda maps, shares: _mass(maps, shares).mean(1, keepdim=True).expand(-1, maps.shape[1])
    ),
}
AREAS = {
    "You divided by the thing's pixels. Divide by its share of the image: truth's mean.": (
        lambda maps, truth: truth.double().sum((-2, -1))[:, None]
    ),
    "Your result lacks a factor of h w, the number of patches. Either the mass on the thing is a "
    "mean over patches where their sum is the share, or the area is counted in patches where its "
    "share of the image divides.": (
        lambda maps, truth: _shares(maps, truth).sum((-2, -1))[:, None]
    ),
    "You divided by the mean area of all things. Each image has its own.": (
        lambda maps, truth: truth.double().mean()
    ),
    "You divided by the first image's area. Each image has its own.": (
        lambda maps, truth: truth[:1].double().mean((-2, -1))[:, None]
    ),
    "The area is that of the stuff. Divide by the thing's.": (
        lambda maps, truth: 1 - _area(maps, truth)
    ),
    "The area counts whole patches, those that touch the thing. It is the mean of truth.": (
        lambda maps, truth: (_shares(maps, truth) > 0).double().mean((-2, -1))[:, None]
    ),
    "The area counts whole patches, those that are mostly thing. It is the mean of truth.": (
        lambda maps, truth: (_shares(maps, truth) > 0.5).double().mean((-2, -1))[:, None]
    ),
}
ENDS = {
    "This is the share of the mass; divide it by the thing's share of the area. A large thing "
    "holds much of any map.": lambda mass, area: mass,
    "This is the area over the mass. Turn it round.": lambda mass, area: area / mass,
    "The area is taken away from the mass. Divide by it.": lambda mass, area: mass - area,
    "The mass is multiplied by the area. Divide by it.": lambda mass, area: mass * area,
    "This is the gain, 1 less than the ratio. Return the ratio itself: 1 means no preference.": (
        lambda mass, area: mass / area - 1
    ),
    "This is the logarithm of the ratio. Return the ratio itself.": (
        lambda mass, area: (mass / area).log()
    ),
    "This is the ratio in percent.": lambda mass, area: 100 * mass / area,
    "These are odds, thing against stuff, of mass over those of area. Shares are asked for.": (
        lambda mass, area: (mass / (1 - mass)) / (area / (1 - area))
    ),
    "The mass on the thing is divided by the mass beside it. Divide by the whole mass.": (
        lambda mass, area: mass / (1 - mass) / area
    ),
    "The ratio stops at 1: a clamp.": lambda mass, area: (mass / area).clamp(max=1),
    "The mean over images came back, one number a head. Return (B, heads).": (
        lambda mass, area: torch.Size((mass.shape[1],))
    ),
    "The mean over heads came back, one number an image. Return (B, heads).": (
        lambda mass, area: torch.Size((len(mass),))
    ),
    "The result is transposed: (B, heads).": lambda mass, area: (mass / area).mT,
    "One number for everything came back. Return (B, heads).": lambda mass, area: torch.Size(()),
}


def _bilinear(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear")


def _enlarged(maps: Tensor, truth: Tensor) -> Tensor:
    fine = _bilinear(maps, truth.shape[-2:])
    return _mass(fine, truth.double()) / truth.double().mean((-2, -1))[:, None]


def _transposed(maps: Tensor, truth: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(truth.mT.double()[:, None], maps.shape[-2:])[:, 0]


def _mistakes() -> Table:
    table = {m: _lift(shares=piece) for m, piece in SHARES.items()}
    table |= {m: _lift(mass=piece) for m, piece in MASSES.items()}
    table |= {m: _lift(area=piece) for m, piece in AREAS.items()}
    table |= {m: _lift(end=piece) for m, piece in ENDS.items()}
    return table | {
        "Maps and truth are compared as masks (above the mean): that is precision. The mass itself "
        "is weighed.": _lift(
            mass=lambda maps, shares: _mass(
                (maps > maps.mean((-2, -1), keepdim=True)).double(), shares
            )
        ),
        "The truth was resized bilinearly, in the mass and in the area: it looks at a few pixels "
        "in the middle of each patch. " + PATCHES: _lift(
            shares=SHARES[BILINEAR],
            area=lambda maps, truth: SHARES[BILINEAR](maps, truth).mean((-2, -1))[:, None],
        ),
        "The maps were enlarged bilinearly, which spreads each patch's mass over its neighbours. "
        "The mass of a patch is one number: bring the truth to the patches.": _enlarged,
        "This is the mean of the maps on the thing, sum(M T) / sum(T): neither is the map divided "
        "by its own sum, nor the thing's share of the area in it.": lambda maps, truth: (
            (maps * _shares(maps, truth)[:, None]).sum((-2, -1))
            / _shares(maps, truth).sum((-2, -1))[:, None]
        ),
        "Rows and columns of the truth are exchanged: its patches lie transposed.": _lift(
            shares=_transposed,
            area=lambda maps, truth: _transposed(maps, truth).mean((-2, -1))[:, None],
        ),
        "A patch counts as thing or not, in the mass and in the area: more than half of it. "
        + PATCHES: _lift(shares=SHARES[next(iter(SHARES))], area=lambda maps, truth: (
            _shares(maps, truth) > 0.5
        ).double().mean((-2, -1))[:, None]),
        "A patch counts as thing or not, in the mass and in the area: any pixel of it. "
        + PATCHES: _lift(
            shares=lambda maps, truth: (_shares(maps, truth) > 0).double(),
            area=lambda maps, truth: (_shares(maps, truth) > 0).double().mean((-2, -1))[:, None],
        ),
    }  # fmt: skip


def _case(n: int, heads: int, h: int, w: int, patch: int) -> tuple[Tensor, Tensor]:
    """Maps whose sums differ, and things of other sizes that no patch's border fits."""
    y, x = torch.arange(h * patch)[:, None], torch.arange(w * patch)
    truth = []
    for i in range(n):
        r = (0.22 + 0.1 * i) * patch * min(h, w)
        cy, cx = 0.35 * h * patch + i, 0.6 * w * patch - 2 * i
        truth.append((y - cy) ** 2 + 0.6 * (x - cx) ** 2 < r * r)
    maps = torch.rand(n, heads, h, w) ** 2 / (h * w) + 0.2 * torch.rand(n, heads, 1, 1) / (h * w)
    return maps, torch.stack(truth)


@check("10.4", "attention on the thing")
def check_10_4(attention_on_thing):
    cases = [_case(3, 4, 4, 5, 4), _case(2, 3, 6, 4, 3), _case(4, 2, 3, 3, 6)]
    # By hand: three quarters of the mass on half of the image; then one quarter.
    half = torch.tensor([[[True, True, False, False]] * 2])
    by_hand = (torch.tensor([[[[0.3, 0.1]], [[0.2, 0.6]]]]), half)
    compare(attention_on_thing, [*cases, by_hand], _lift(), _mistakes(), "(B, heads)", "The result")
    with contextlib.suppress(RuntimeError):  # truth.float() beside float64 maps fails by itself
        expect_dtype(lambda maps: attention_on_thing(maps, cases[0][1]), cases[0][0])
    expect_any_device(attention_on_thing, *cases[0])
