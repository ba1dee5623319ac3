"""Exercise 9.3, Jaccard of a patch mask and the truth: tells apart other quotients, and masks
brought to the pixels in other ways.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import check, expect_any_device
from minidino.checks.mistakes import Table


def _nearest(mask: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Mask and truth, pixel by pixel, both (B, heads, H, W) or to be broadcast to that."""
    size = tuple(target.shape[-2:])
    p = size[0] // mask.shape[-2]
    pixels = torch.empty(*mask.shape[:2], *size, dtype=torch.bool)
    for y in range(size[0]):
        for x in range(size[1]):
            pixels[:, :, y, x] = mask[:, :, y // p, x // p]
    return pixels, target[:, None]


def _count(x: Tensor) -> Tensor:
    return x.double().sum((-2, -1))


def _iou(a: Tensor, b: Tensor) -> Tensor:
    both, either = _count(a & b), _count(a | b)
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def _jaccard(score: Callable = _iou, pixels: Callable = _nearest):
    def jaccard(mask, target):
        return score(*pixels(mask, target))

    return jaccard


def _quotient(of: Callable) -> Callable:
    """Of the counts: the overlap, mask, truth, and all pixels."""

    def score(a, b):
        return of(_count(a & b), _count(a), _count(b).expand(a.shape[:2]), a[0, 0].numel())

    return score


def _smooth(mask: Tensor, target: Tensor, corners: bool = False) -> Tensor:
    size = tuple(target.shape[-2:])
    return F.interpolate(mask.double(), size=size, mode="bilinear", align_corners=corners)


def _soft(mask: Tensor, target: Tensor) -> Tensor:
    soft, truth = _smooth(mask, target), target[:, None]
    return _count(soft * truth) / (_count(soft) + _count(truth) - _count(soft * truth))


def _repeated(patch: int) -> Callable:
    """A patch size that is written in."""

    def pixels(mask, target):
        stretched = mask.repeat_interleave(patch, -2).repeat_interleave(patch, -1)
        return stretched, target[:, None]

    return pixels


def _coarse(down: Callable) -> Callable:
    """The truth in patches, by the share of each that it covers."""

    def pixels(mask, target):
        p = target.shape[-1] // mask.shape[-1]
        return mask, down(F.avg_pool2d(target[:, None].double(), p), target[:, None, ::p, ::p])

    return pixels


COARSE = (
    "You brought the truth down to the patches. The score is of pixels: enlarge the mask to the "
    "truth, so that its coarse outline costs what it should."
)
BILINEAR = (
    "You enlarged the mask bilinearly: its corners become round and its area changes. A patch is "
    "in the mask or not, all of it: nearest."
)
NUMBER = "One number for all. Each map of each image has its own score; means come later."
SCORES = {
    "This is accuracy: the share of pixels on which mask and truth agree, most of them background. "
    "Jaccard does not count what is in neither.": _quotient(
        lambda o, a, b, n: (n - a - b + 2 * o) / n
    ),
    "This is Dice (the F1 score): 2 |A and B| / (|A| + |B|). Jaccard divides the overlap by the "
    "union.": _quotient(lambda o, a, b, n: 2 * o / (a + b)),
    "Your union counts the overlap twice: |A| + |B|. Take the overlap away once, or use mask | "
    "target.": _quotient(lambda o, a, b, n: o / (a + b)),
    "You divided by what is in one of the two but not in both (xor; or the overlap is taken away "
    "twice). The union holds the overlap too: mask | target.": _quotient(
        lambda o, a, b, n: o / (a + b - 2 * o)
    ),
    "This is precision: the overlap over the mask. A mask of one lucky pixel would score 1; divide "
    "by the union.": _quotient(lambda o, a, b, n: o / a),
    "This is recall: the overlap over the truth. A mask of everything would score 1; divide by the "
    "union.": _quotient(lambda o, a, b, n: o / b),
    "You divided by the smaller of the two areas. Divide by the union.": _quotient(
        lambda o, a, b, n: o / torch.minimum(a, b)
    ),
    "You divided by the larger of the two areas. Divide by the union.": _quotient(
        lambda o, a, b, n: o / torch.maximum(a, b)
    ),
    "You divided by the root of the product of the two areas (a cosine). Divide by the union.": (
        _quotient(lambda o, a, b, n: o / (a * b).sqrt())
    ),
    "You divided by the number of pixels. The union does not count what is in neither.": (
        _quotient(lambda o, a, b, n: o / n)
    ),
    "This is the overlap in pixels; divide by the union.": _quotient(lambda o, a, b, n: o),
    "This is the union over the overlap: turn the quotient round.": _quotient(
        lambda o, a, b, n: (a + b - o) / o
    ),
    "This is the Jaccard *distance*, 1 - J.": _quotient(lambda o, a, b, n: 1 - o / (a + b - o)),
    "This is in percent; a Jaccard index lies between 0 and 1.": _quotient(
        lambda o, a, b, n: 100 * o / (a + b - o)
    ),
    "All scores are 0: // divides whole numbers and drops the rest. Divide by /.": _quotient(
        lambda o, a, b, n: o * 0
    ),
    "The counts overflow: a sum in uint8 ends at 255 and begins again. Count in int64 or float.": (
        _quotient(lambda o, a, b, n: (o % 256) / ((a + b - o) % 256))
    ),
    "This is the mean of thing and background, each with its Jaccard index. Score the thing alone: "
    "a large background is easy.": lambda a, b: (_iou(a, b) + _iou(~a, ~b)) / 2,
    "This is the Jaccard index of the background. Score the thing.": lambda a, b: _iou(~a, ~b),
    "The truth is inverted: you scored the mask against the background.": (
        lambda a, b: _iou(a, ~b)
    ),
    "The mask is inverted: you scored what it leaves out.": lambda a, b: _iou(~a, b),
    f"{NUMBER} (You pooled the pixels.)": lambda a, b: _count(a & b).sum() / _count(a | b).sum(),
    f"{NUMBER} (You averaged.)": lambda a, b: _iou(a, b).mean(),
    f"{NUMBER} (You pooled the pixels, for all the same.)": lambda a, b: (
        _count(a & b).sum() / _count(a | b).sum()
    ).expand(a.shape[:2]),
    "You averaged over the batch. Each image has its own score.": lambda a, b: _iou(a, b).mean(0),
    "You pooled the pixels of all images. Each image has its own score.": (
        lambda a, b: _count(a & b).sum(0) / _count(a | b).sum(0)
    ),
    "You averaged over the heads. Each head has its own score; which is best is decided later.": (
        lambda a, b: _iou(a, b).mean(1)
    ),
    "You pooled the pixels of all heads: their sum is over heads too. Each head has its own "
    "score.": lambda a, b: _count(a & b).sum(1) / _count(a | b).sum(1),
    "You took the best head of each image already. Each has its own score; which is best is "
    "decided later.": lambda a, b: _iou(a, b).amax(1),
    "You counted over the last dimension alone: a score for each row of pixels. sum((-2, -1)).": (
        lambda a, b: torch.Size((*a.shape[:2], a.shape[-2]))
    ),
    "You counted over one dimension of the pixels alone: a score for each column. sum((-2, -1)).": (
        lambda a, b: torch.Size((*a.shape[:2], a.shape[-1]))
    ),
    **{
        f"The scores are rounded (decimals={n}). Return them as they are.": (
            lambda a, b, n=n: _iou(a, b).round(decimals=n)
        )
        for n in (1, 2)
    },
    **{
        f"{eps:g} is added above and below the fraction, which changes every score. Let two empty "
        "masks alone be a case of their own.": _quotient(
            lambda o, a, b, n, eps=eps: (o + eps) / (a + b - o + eps)
        )
        for eps in (1.0, 0.1)
    },
    **{
        f"{eps:g} is added below the fraction, which changes every score. Let two empty masks "
        "alone be a case of their own.": _quotient(
            lambda o, a, b, n, eps=eps: o / (a + b - o + eps)
        )
        for eps in (1.0, 0.1)
    },
}
PIXELS = {
    "You tiled the mask (repeat) where each patch should be stretched: nearest upsampling, or "
    "repeat_interleave.": lambda mask, target: (
        mask.repeat(1, 1, target.shape[-2] // mask.shape[-2], target.shape[-1] // mask.shape[-1]),
        target[:, None],
    ),
    f"{COARSE} (max)": _coarse(lambda share, first: share > 0),
    f"{COARSE} (min)": _coarse(lambda share, first: share == 1),
    f"{COARSE} (majority)": _coarse(lambda share, first: share > 0.5),
    f"{COARSE} (at least half)": _coarse(lambda share, first: share >= 0.5),
    f"{COARSE} (nearest)": _coarse(lambda share, first: first),
    f"{BILINEAR} (above 0.5)": lambda m, t: (_smooth(m, t) > 0.5, t[:, None]),
    f"{BILINEAR} (above 0)": lambda m, t: (_smooth(m, t) > 0, t[:, None]),
    f"{BILINEAR} (above 0.5, align_corners)": lambda m, t: (
        _smooth(m, t, True) > 0.5,
        t[:, None],
    ),
    f"{BILINEAR} (above 0, align_corners)": lambda m, t: (_smooth(m, t, True) > 0, t[:, None]),
    "The truth of image b was compared with head b, not with image b: give it a dimension for the "
    "heads, target[:, None].": lambda mask, target: (_nearest(mask, target)[0], target),
    "The height and width of the pixels are swapped: size is (H, W).": lambda mask, target: (
        F.interpolate(mask.double(), size=target.shape[:-3:-1]).bool(),
        target[:, None],
    ),
    "The mask's height and width are swapped.": lambda mask, target: (
        F.interpolate(mask.transpose(-2, -1).double(), size=target.shape[-2:]).bool(),
        target[:, None],
    ),
    "Every image is compared with the first image's truth. Each has its own: target[:, None].": (
        lambda mask, target: (_nearest(mask, target)[0], target[:1, None])
    ),
    "The mask was not enlarged, or not along its width: it has patches, the truth has pixels. "
    "Stretch each patch over its pixels.": lambda mask, target: (mask, target[:, None]),
    "The mask was enlarged along the width alone, and not the height.": lambda mask, target: (
        mask.repeat_interleave(target.shape[-1] // mask.shape[-1], -1),
        target[:, None],
    ),
    "The patch size mixes height and width. It is H / h, or W / w.": lambda mask, target: _repeated(
        target.shape[-2] // mask.shape[-1]
    )(mask, target),
    "The patch size mixes width and height. It is H / h, or W / w.": lambda mask, target: _repeated(
        target.shape[-1] // mask.shape[-2]
    )(mask, target),
    **{
        f"A patch size of {p} is written in. It is H / h, target.shape[-1] // mask.shape[-1].": (
            _repeated(p)
        )
        for p in (2, 6, 8, 10, 14, 16)
    },
    **{
        f"A patch size of {p} is written in, and the rest is cut off. It is H / h, "
        "target.shape[-1] // mask.shape[-1].": lambda mask, target, p=p: (
            _repeated(p)(mask, target)[0][..., : target.shape[-2], : target.shape[-1]],
            target[:, None],
        )
        for p in (6, 8, 16)
    },
}


def _mistakes() -> Table:
    table = {m: _jaccard(score) for m, score in SCORES.items()}
    table |= {m: _jaccard(pixels=pixels) for m, pixels in PIXELS.items()}
    return table | {f"{BILINEAR} (left soft)": _soft}


def _case(batch: int, heads: int, h: int, w: int, p: int) -> tuple:
    """Rectangles for the truth; areas above 255 pixels; no two sizes alike."""
    target = torch.zeros(batch, h * p, w * p, dtype=torch.bool)
    for i in range(batch):
        target[i, 1 + 2 * i : h * p - 3 - i, 3 + i : w * p // 2 + 3 * i] = True
    return torch.rand(batch, heads, h, w) < 0.45, target


def _empties() -> list[tuple]:
    """Nothing in the mask, nothing in the truth, in both, in some heads of one image."""
    none, some = torch.zeros(1, 1, 2, 2).bool(), torch.ones(1, 1, 2, 2).bool()
    dark, light = torch.zeros(1, 4, 4).bool(), torch.ones(1, 4, 4).bool()
    heads = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]).view(1, 3, 2, 2).bool()
    batch = heads.expand(2, -1, -1, -1), torch.cat([dark, light])
    return [(none, dark), (none, light), (some, dark), batch, (none[:, :, :1], dark[:, :2])]


EMPTY: Table = {
    "Two empty masks give nan: 0 divided by 0. Nothing was there and nothing was found; let that "
    "score 1.": _quotient(lambda o, a, b, n: o / (a + b - o)),
    "Two empty masks give nan beside others that are not empty: `if` looks at the whole batch. "
    "torch.where decides for each.": lambda a, b: (
        _count(a & b) / _count(a | b) if (a | b).any() else torch.ones(a.shape[:2])
    ),
    "Two empty masks score 0 with you. Nothing was there and nothing was found: let that score "
    "1.": _quotient(lambda o, a, b, n: o / (a + b - o).clamp(min=1)),
    "An empty mask where there is something scores 1 with you; only if both are empty is it 1.": (
        _quotient(lambda o, a, b, n: torch.where(a > 0, o / (a + b - o).clamp(min=1), 1.0))
    ),
    "An empty truth scores 1 with you, whatever the mask says; only if both are empty is it 1.": (
        _quotient(lambda o, a, b, n: torch.where(b > 0, o / (a + b - o).clamp(min=1), 1.0))
    ),
    "No overlap scores 1 with you, or one of the two empty; only if both are empty is it 1.": (
        _quotient(lambda o, a, b, n: torch.where(o > 0, o / (a + b - o).clamp(min=1), 1.0))
    ),
}


@check("9.3", "Jaccard of a patch mask and the truth")
def check_9_3(jaccard):
    cases = [_case(2, 3, 5, 7, 4), _case(3, 3, 4, 6, 5), _case(4, 2, 7, 4, 3)]
    compare(jaccard, cases, _jaccard(), _mistakes(), "(B, heads)", "The score")
    # By hand: patches of 2 x 2 px. The mask is 8 px, the truth 9, both together 2: 2 / 15.
    target = torch.zeros(1, 4, 6, dtype=torch.bool)
    target[0, 0:3, 1:4] = True
    by_hand = torch.tensor([[[[True, False, True], [False, False, False]]]]), target
    one = torch.ones(1, 1, 1, 1).bool(), target[:, :2, :2]
    what = "The score of 2 px in both and 15 px in either"
    compare(jaccard, [by_hand, one], _jaccard(), names="(B, heads)", what=what)
    empty = {m: _jaccard(score) for m, score in EMPTY.items()}
    what = "The score where the mask, the truth or both are empty"
    compare(jaccard, _empties(), _jaccard(), empty, "(B, heads)", what, 1e-3)
    expect_any_device(jaccard, *cases[0])
