"""Exercise 3.3, random boxes: thousands of draws in five settings, whose distribution is compared
with the right one and with those of known mistakes.

A mistake is a sampler with one piece changed. It is named where its boxes are distributed like
the learner's in every setting; else properties are said that hold beyond chance.
"""

import functools
import math
import threading
from _thread import interrupt_main
from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from minidino.checks.core import Wrong, call, check, expect, expect_tensor
from minidino.checks.multi_crop.box_mistakes import AGAIN, PLACE, Sampler, mistakes, right

SETTINGS = {  # n, height, width, scale
    "all fit": (8000, 1000, 1000, (0.1, 0.3)),
    "wide": (4000, 40, 120, (0.05, 0.15)),
    "few pixels": (4000, 8, 9, (0.2, 0.5)),
    "large": (8000, 1000, 1000, (0.5, 1.0)),
    "tall": (3000, 200, 180, (0.4, 1.0)),
}
LOG = math.log(4 / 3)
NAMES = [
    "share of the area", "logarithm of the aspect ratio", "height", "width", "top", "left",
    "bottom edge", "right edge", "place from top to bottom", "place from left to right",
]  # fmt: skip
NUMBERS = 19  # of the features below; the rest are yes or no


def _features(boxes: Tensor, height: int, width: int, scale: tuple[float, float]) -> list[Tensor]:
    """Numbers of each box whose distributions tell mistakes apart."""
    top, left, h, w = boxes.double().unbind(1)
    y, x = (
        (a / room).nan_to_num(0.0).clamp(-2, 3)
        for a, room in ((top, height - h + 1), (left, width - w + 1))
    )
    share, ratio = h * w / (height * width), (w / h).log().nan_to_num(0.0).clamp(-3, 3)
    s, r = (share - scale[0]) / (scale[1] - scale[0]), ratio / (2 * LOG) + 0.5
    numbers = [share, ratio, h, w, top, left, top + h, left + w, y, x]
    numbers += [ratio.abs(), y - x, y + x, s - r, s + r, s - y, s - x, r - y, r - x]
    edges = [h == height, w == width, h > height, w > width]
    edges += [top == 0, left == 0, top + h == height, left + w == width]
    return [*numbers, *(e.double() for e in edges)]


def _sorted(features: list[Tensor]) -> list[Tensor]:
    return [v.sort().values for v in features]


def _distance(mine: list[Tensor], theirs: list[Tensor], stop: float = math.inf) -> float:
    """How far two samples' distributions are apart, in units of what chance may do; both sorted."""
    worst = 0.0
    for k, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        n = 1 / len(a) + 1 / len(b)
        if k < NUMBERS:  # Kolmogorov and Smirnov: beyond 1 by chance once in a million
            at = torch.cat([a, b])
            below = [torch.searchsorted(v, at, right=True) / len(v) for v in (a, b)]
            far = (below[0] - below[1]).abs().max().item() / (2.7 * math.sqrt(n))
        else:  # six standard deviations
            p = (a.sum() + b.sum()).item() / (len(a) + len(b))
            off = (a.mean() - b.mean()).abs().item()
            far = off / (6 * math.sqrt(p * (1 - p) * n + n * n))
        worst = max(worst, far)
        if worst > stop:
            break
    return worst


@functools.cache
def _expected(setting: str) -> list[Tensor]:
    _, height, width, scale = SETTINGS[setting]
    boxes = right(16_000, height, width, scale, torch.Generator().manual_seed(99))
    return _sorted(_features(boxes, height, width, scale))


class _Patience(TorchFunctionMode):
    """Ends a loop that draws without end, by the number of torch's functions that it calls."""

    class Lost(Exception):
        pass

    def __init__(self):
        super().__init__()
        self.left = 40_000

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.left -= 1
        if self.left < 0:
            raise _Patience.Lost
        return function(*args, **(kwargs or {}))


def _ends(draw_boxes: Callable, n: int, *how, seed: int = 3) -> bool:
    """Whether a call comes back: within so many calls of torch's functions, and two seconds."""
    timer = threading.Timer(2, interrupt_main)
    timer.start()
    try:
        with _Patience():
            call(draw_boxes, n, *how, torch.Generator().manual_seed(seed))
    except _Patience.Lost:
        return False
    except KeyboardInterrupt:
        if timer.is_alive():
            raise
        return False
    finally:
        timer.cancel()
    return True


def _ends_or_fails(draw_boxes: Callable, n: int, *how) -> bool:
    try:
        return _ends(draw_boxes, n, *how)
    except Exception:
        return True


def _expect_an_end(draw_boxes: Callable) -> None:
    small, large = (400, 400, (0.25, 0.25)), (400, 400, (0.4, 1.0))
    if not _ends(draw_boxes, 1, *small):
        expect(
            not _ends_or_fails(draw_boxes, 1, 400, 400, (1.0, 1.0)),
            "You draw again as long as the box *fits*. The condition is turned round: leave the "
            "loop when it does.",
        )
        raise Wrong(
            "Your loop never ends: at a quarter of the area every box fits, and none of yours "
            "does. Is the square root missing (h = sqrt(s H W / r)), or are s and r not drawn "
            "again inside the loop?"
        )
    expect(
        all(_ends(draw_boxes, 1, *large, seed=seed) for seed in range(12)),
        "Your loop never ends where a box does not fit at once: draw s and r anew inside it, and "
        "compute h and w from them.",
    )
    expect(
        _ends(draw_boxes, 200, *large),
        "200 boxes do not come to an end: too much of what you draw is thrown away. Draw again "
        "only the boxes that do not fit, not the whole batch, torch.where(bad, new, old); and draw "
        "the place when the size is known to fit, which leaves room for it.",
    )


def _expect_boxes(got, n: int) -> None:
    if isinstance(got, Tensor) and got.shape == (4, n) and n != 4:
        raise Wrong("A row is a box: (n, 4). Yours is (4, n); stack along dim=1.")
    expect_tensor(got, (n, 4), "(n, top left height width)", what="The result (boxes)")
    if got.is_floating_point() and got.max() <= 1:
        raise Wrong("The boxes are shares of the image, in 0..1. They are whole pixels.")
    expect(
        not got.is_floating_point(),
        f"The boxes are {got.dtype}. They are whole pixels: .long() at the end.",
    )
    expect(got.dtype == torch.int64, f"The boxes are {got.dtype}; expected torch.int64 (.long()).")


def _expect_draws(draw_boxes: Callable) -> None:
    """Repeatable, and new from call to call, from seed to seed and from box to box."""

    def boxes(seed: int) -> Tensor:
        return call(draw_boxes, 6, 400, 500, (0.1, 0.4), torch.Generator().manual_seed(seed))

    got = boxes(0)
    _expect_boxes(got, 6)
    expect(
        not (got[1:] == got[0]).all() or not (boxes(1)[1:] == boxes(1)[0]).all(),
        "All boxes are the same: you drew once for the whole batch. Each of the n views has a "
        "draw of its own.",
    )
    torch.default_generator.manual_seed(1)
    expect(
        torch.equal(boxes(0), got),
        "The same seed gives other boxes. Pass generator=generator to every torch.rand, or no run "
        "can be repeated.",
    )
    state = torch.Generator().manual_seed(0)
    again = [draw_boxes(6, 400, 500, (0.1, 0.4), state) for _ in range(2)]
    expect(
        not torch.equal(*again),
        "Two calls with the same generator give the same boxes: you seed it inside (or draw from a "
        "copy), so every view would be cut alike. Only draw from it.",
    )
    expect(
        not torch.equal(boxes(5), boxes(6)),
        "Another seed gives the same boxes: the generator is not used. Pass generator=generator to "
        "every torch.rand.",
    )


def _drawn_once(boxes: dict[str, Tensor]) -> None:
    """What does not vary within a call and does from call to call."""
    names = {"share": 0, "aspect ratio": 1, "place (top)": 8, "place (left)": 9}
    for name, k in names.items():
        values = [_features(boxes[s], *SETTINGS[s][1:])[k] for s in ("all fit", "large")]
        if k == 0:
            scales = [SETTINGS[s][3] for s in ("all fit", "large")]
            values = [(v - a) / (b - a) for v, (a, b) in zip(values, scales, strict=True)]
        once = all(v.std() < 0.02 for v in values)
        expect(
            not once or abs(values[0].mean() - values[1].mean()) < 0.02,
            f"The {name} is the same for all boxes: you drew it once for the whole batch. Each "
            "view has a draw of its own.",
        )


def _mean_and_std(features: list[Tensor]) -> tuple[Tensor, Tensor]:
    values = torch.stack(features)
    return values.mean(1), values.std(1)


@functools.cache
def _moments(sampler: Sampler, setting: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature, from a few draws."""
    _, height, width, scale = SETTINGS[setting]
    boxes = sampler(1000, height, width, scale, torch.Generator().manual_seed(8))
    return _mean_and_std(_features(boxes, height, width, scale))


@functools.lru_cache(maxsize=64)
def _many(sampler: Sampler, setting: str) -> list[Tensor]:
    """Each feature of many draws, sorted."""
    _, height, width, scale = SETTINGS[setting]
    boxes = sampler(8000, height, width, scale, torch.Generator().manual_seed(7))
    return _sorted(_features(boxes, height, width, scale))


def _likely(sampler: Sampler, mine: dict[str, tuple[Tensor, Tensor]]) -> bool:
    """A few draws of it have means and spreads near those of the learner's boxes."""
    for setting, (my_mean, my_std) in mine.items():
        mean, std = _moments(sampler, setting)
        off = (my_mean - mean).abs() / (my_std + std + 1e-2)
        spread = (my_std / std).nan_to_num(1.0)[:NUMBERS].log().abs()
        if off.max() > 0.15 or spread.max() > 0.5:
            return False
    return True


def _nearest_mistake(boxes: dict[str, Tensor]) -> str | None:
    mine = {s: _sorted(_features(b, *SETTINGS[s][1:])) for s, b in boxes.items()}
    moments = {s: _mean_and_std(mine[s]) for s in ("wide", "large")}
    likely = [m for m, sampler in mistakes.items() if _likely(sampler, moments)]
    best, named = 1.0, None
    for message in likely:
        sampler, worst = mistakes[message], 0.0
        for setting in SETTINGS:
            worst = max(worst, _distance(mine[setting], _many(sampler, setting), best))
            if worst >= best:
                break
        else:
            best, named = worst, message
    return named


def _expect_inside(got: Tensor, height: int, width: int) -> None:
    top, left, h, w = got.unbind(1)
    expect((h >= 1).all() and (w >= 1).all(), "Some boxes have a side of 0 pixels or less.")
    expect(
        not ((h > height).any() or (w > width).any()),
        f"Some boxes are larger than the image. {AGAIN}",
    )
    expect((top >= 0).all() and (left >= 0).all(), "Some boxes begin above or left of 0.")
    expect(
        ((top + h <= height) & (left + w <= width)).all(),
        "Some boxes reach outside the image: top may be at most height - h, left at most width - "
        "w.",
    )


def _pairs_go_together(boxes: dict[str, Tensor]) -> None:
    names = {"share": 0, "aspect ratio": 1, "top": 8, "left": 9}
    found = []
    for setting in ("all fit", "wide"):
        features = _features(boxes[setting], *SETTINGS[setting][1:])
        r = torch.corrcoef(torch.stack([features[k] for k in names.values()])).nan_to_num()
        found.append((r - torch.eye(4)).abs())
    least = torch.stack(found).amin(0)
    if least.max() > 0.15:
        a, b = (list(names)[int(i)] for i in torch.unravel_index(least.argmax(), least.shape))
        raise Wrong(
            f"Two of the four draws go together, {a} and {b}, as if one random number served for "
            "both. Share, aspect ratio, top and left are drawn independently."
        )


def _far(boxes: dict[str, Tensor]) -> dict[str, list[float]]:
    """Setting -> how far each feature is from where it should be."""
    features = {s: _sorted(_features(b, *SETTINGS[s][1:])) for s, b in boxes.items()}
    return {
        setting: [_distance([a], [b]) for a, b in zip(mine, _expected(setting), strict=True)]
        for setting, mine in features.items()
    }


def _expect_small_ones(boxes: dict[str, Tensor], far: dict[str, list[float]]) -> None:
    """Shares, ratios and places where every box fits."""
    every = [far["all fit"], far["wide"]]
    share, ratio = (_features(boxes["all fit"], *SETTINGS["all fit"][1:])[k] for k in (0, 1))
    expect(
        not all(f[1] > 1 for f in every),
        "The aspect ratio is not log-uniform in 3/4..4/3: in a large image yours run from "
        f"{ratio.min().exp():.2f} to {ratio.max().exp():.2f}, with {ratio.median().exp():.2f} in "
        "the middle (1.00 expected). ln r is uniform, and r is its exp.",
    )
    expect(
        not all(f[0] > 1 for f in every),
        "The share of the area is not uniform in the scale: at (0.1, 0.3) in a large image yours "
        f"run from {share.min():.2f} to {share.max():.2f}, {share.mean():.2f} on average. Draw s "
        "uniformly; then h = sqrt(s H W / r) and w = sqrt(s H W r).",
    )
    for k, name in ((8, "top"), (9, "left")):
        expect(
            not all(f[k] > 1 for f in every),
            f"The place of the boxes is not uniform: {name} is one of as many places as there are, "
            f"each as likely. {PLACE}",
        )


def _expect_large_ones(boxes: dict[str, Tensor], far: dict[str, list[float]]) -> None:
    every = [far["all fit"], far["wide"]]
    large = [max(far[s]) for s in ("large", "tall")]
    if max(map(max, every)) <= 1 and min(large) > 1:
        mean, want = (
            (f[0].mean().item())
            for f in (_features(boxes["large"], *SETTINGS["large"][1:]), _expected("large"))
        )
        raise Wrong(
            f"Boxes that always fit are right; large ones are not. {AGAIN} (At a scale of (0.5, "
            f"1) the mean share is {want:.2f}, yours is {mean:.2f}.)"
        )
    setting = max(far, key=lambda s: max(far[s]))
    _, height, width, scale = SETTINGS[setting]
    k = max(range(10), key=lambda k: far[setting][k])
    name = NAMES[k]
    mine = _features(boxes[setting], height, width, scale)[k].mean().item()
    raise Wrong(
        f"In images of {height} x {width} px, at scale {scale}, the boxes are not distributed as "
        f"they should be. It shows most in the {name}: {mine:.3g} on average, "
        f"{_expected(setting)[k].mean().item():.3g} expected."
    )


def _expect_independence(boxes: dict[str, Tensor]) -> None:
    """Of each box from the one before it and from its number."""
    for k in (0, 1, 8, 9):
        off = []
        for setting in ("all fit", "large"):
            x = _features(boxes[setting], *SETTINGS[setting][1:])[k]
            pairs = (x[1:], x[:-1]), (x, torch.arange(len(x)).double())
            off.append([torch.corrcoef(torch.stack(p))[0, 1].abs().item() for p in pairs])
        expect(
            not any(min(o) > 0.1 for o in zip(*off, strict=True)),
            f"The boxes of a batch hang together: the {NAMES[k]} of one tells that of the next. "
            "Are they sorted, or is one drawn from the other? Each is drawn on its own.",
        )


@check("3.3", "random boxes")
def check_3_3(draw_boxes):
    _expect_an_end(draw_boxes)
    _expect_draws(draw_boxes)
    boxes = {}
    for seed, (setting, (n, *how)) in enumerate(SETTINGS.items()):
        boxes[setting] = call(draw_boxes, n, *how, torch.Generator().manual_seed(seed))
        _expect_boxes(boxes[setting], n)

    def inside(setting: str) -> bool:
        try:
            _expect_inside(boxes[setting], *SETTINGS[setting][1:3])
        except Wrong:
            return False
        return True

    if all(
        inside(s) and _distance(_sorted(_features(b, *SETTINGS[s][1:])), _expected(s), 1) <= 1
        for s, b in boxes.items()
    ):
        _expect_independence(boxes)
        return
    _drawn_once(boxes)
    if message := _nearest_mistake(boxes):
        raise Wrong(message)
    far = _far(boxes)
    if inside("all fit") and inside("wide"):
        _pairs_go_together(boxes)
        _expect_small_ones(boxes, far)
    for setting, got in boxes.items():
        _expect_inside(got, *SETTINGS[setting][1:3])
    _expect_small_ones(boxes, far)
    _expect_large_ones(boxes, far)
