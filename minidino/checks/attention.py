"""Checks of notebook 09: maps, masks of 60% mass, Jaccard, the best head, a prediction."""

import math
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.core import (
    Wrong,
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_close,
    expect_tensor,
)


@check("9.1", "the [CLS] row as maps")
def check_9_1(attention_maps):
    # 16 patches, so that a picture of 2 x 8 could be taken for one of 4 x 4.
    attention = (2 * torch.randn(2, 3, 17, 17)).softmax(dim=-1)
    _expect_maps(call(attention_maps, attention, 2, 8), 2, 8)
    # By hand: one head, two patches. Row 0 is [CLS]'s; it pays 0.2 to itself.
    by_hand = torch.tensor([[[[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.4, 0.35, 0.25]]]])
    _compare_maps(attention_maps, by_hand, 1, 2)
    for h, w in ((2, 8), (8, 2), (4, 4)):
        _compare_maps(attention_maps, attention, h, w)
    _compare_maps(attention_maps, attention[:1, :1], 2, 8)
    expect_any_device(attention_maps, attention, 2, 8)


def _expect_maps(got: Tensor, h: int, w: int) -> None:
    """The shape, of 2 images and 3 heads."""
    expect(isinstance(got, Tensor), f"Return a tensor; yours is a {type(got).__name__}.")
    shape = tuple(got.shape)
    expect(
        shape not in ((2, h, w), (2, 1, h, w)),
        "One map an image: you averaged over the heads (or took one of them). The heads look "
        "at different things; keep them apart: (B, heads, h, w).",
    )
    expect(
        shape not in ((2, 17, 16), (2, 17, h, w)),
        "You indexed the heads with 0: where all tokens look, in one head. Dimension 1 is heads, "
        "2 the query, 3 the key: attention[:, :, 0].",
    )
    expect(
        shape not in ((3, h, w), (1, 3, h, w)),
        "You averaged over the batch, or kept its first image only. Every image has maps of "
        "its own: (B, heads, h, w).",
    )
    expect(
        shape != (2, 3, w, h),
        "h and w are swapped. Patches are numbered row by row, so the height comes first: "
        "(B, heads, h, w).",
    )
    expect(
        shape != (2, 3, 4, 4),
        "You took the grid for a square of sqrt(N) patches a side. Pictures may be "
        "rectangles: use h and w.",
    )
    expect(
        shape != (2, 3, h * w),
        "The patches are still in one line of N. Bring them back to the picture: h rows of w.",
    )
    expect_tensor(got, (2, 3, h, w), "(B, heads, h, w)")


def _compare_maps(attention_maps, attention: Tensor, h: int, w: int) -> None:
    got = call(attention_maps, attention, h, w)
    batch, heads, n = attention.shape[:3]
    rows, n_patches = attention.double(), n - 1

    def grid(x: Tensor) -> Tensor:
        return x.reshape(batch, heads, h, w)

    cls = rows[:, :, 0, 1:]
    want = torch.empty(batch, heads, h, w, dtype=torch.float64)
    for y in range(h):
        for x in range(w):
            want[:, :, y, x] = rows[:, :, 0, 1 + y * w + x]
    patch = (
        "This is the row of a patch, not of [CLS]: where that patch looks. [CLS] is token 0, so "
        "its row is attention[:, :, 0]."
    )
    mistakes = {
        "You took a column: how much each patch attends to [CLS]. The question is where [CLS] "
        "looks; queries are the rows, keys the columns.": grid(rows[:, :, 1:, 0]),
        "[CLS]-to-[CLS] is still in the map: its first cell is what [CLS] pays to itself, all "
        "others are one patch late. Patches begin at column 1.": grid(rows[:, :, 0, :-1]),
        "You applied softmax again. Attention is probabilities already; a second softmax makes "
        "them all nearly 1/N.": grid(cls.softmax(-1)),
        "You applied softmax again. Attention is probabilities already; a second softmax makes "
        "them all nearly 1/(1 + N).": grid(rows[:, :, 0].softmax(-1)[..., 1:]),
        "You divided each map by its sum. A map sums to 1 less what [CLS] pays to itself, and "
        "that is worth keeping: masks are made relative to the map's own mass later.": grid(
            cls / cls.sum(-1, keepdim=True)
        ),
        "You divided each map by its largest value. That is a matter of drawing; return the values "
        "as they stand in the matrix.": grid(cls / cls.amax(-1, keepdim=True)),
        "h and w are swapped on the way: you filled the grid column by column. Patches are "
        "numbered row by row.": cls.reshape(batch, heads, w, h).transpose(-2, -1),
        "You averaged over the queries: where all tokens look. Take [CLS]'s row alone.": grid(
            rows[..., 1:].mean(2)
        ),
        "You averaged over the queries: where the patches look. Take [CLS]'s row alone.": grid(
            rows[:, :, 1:, 1:].mean(2)
        ),
        "All heads show the same: you averaged over them. The heads look at different things; "
        "keep them apart.": grid(cls.mean(1, keepdim=True).expand_as(cls)),
    }
    if n_patches > 1:
        mistakes |= {
            patch: grid(rows[:, :, 1, 1:]),
            f"{patch} (Index -1 is the last patch.)": grid(rows[:, :, -1, 1:]),
        }
    expect_close(
        got,
        want,
        {k: v for k, v in mistakes.items() if v.shape == want.shape},
        names="(B, heads, h, w)",
        what="The map" if batch * heads == 1 else "The result",
        tolerance=1e-5,
    )


@check("9.2", "the patches that hold 60% of the mass")
def check_9_2(mass_mask):
    # By hand: 0.5 of 1 is not enough, 0.5 + 0.32 is.
    _compare_masks(mass_mask, torch.tensor([[0.5, 0.32], [0.05, 0.13]]), 0.6)
    # The mass of these is 0.5 to 0.95, as if [CLS] had kept the rest.
    maps = (1.2 * torch.randn(2, 3, 4, 6)).flatten(-2).softmax(-1).view(2, 3, 4, 6)
    maps = maps * torch.linspace(0.5, 0.95, 6).view(2, 3, 1, 1)
    _compare_masks(mass_mask, maps, 0.6)
    _compare_masks(mass_mask, maps, 0.9)
    got = call(mass_mask, maps)
    expect_close(got, _mass_mask(maps, 0.6), {}, what="mass_mask(maps) without keep")
    # Exact in binary, so that 1.0 of the mass is every patch, whatever the order of the sum.
    _compare_masks(mass_mask, torch.tensor([[0.5, 0.0625], [0.25, 0.125]]), 1.0)
    # The first patch alone holds exactly one half.
    half = torch.tensor([[0.25, 0.5], [0.125, 0.125]])
    expect_close(
        call(mass_mask, half, 0.5).double(),
        (half == 0.5).double(),
        {
            "You kept one patch too many: where those before a patch hold the share exactly, it is "
            "not needed. Compare with <, not <=.": (half >= 0.25).double()
        },
        what="The mask of half the mass of [[0.25, 0.5], [0.125, 0.125]]",
    )
    expect_any_device(mass_mask, maps)


def _mass_mask(maps: Tensor, keep: float, cross: bool = True, largest: bool = True) -> Tensor:
    """One map after another, one patch after another.

    Without ``cross`` the patch that crosses the line is left out; without ``largest`` the
    smallest patches come first.
    """
    masks = []
    for values in maps.double().flatten(0, -3).flatten(1) if maps.ndim > 2 else [maps.flatten()]:
        enough, held, kept = keep * values.sum().item() - 1e-9, 0.0, []
        for i in values.argsort(descending=largest).tolist():
            held += values[i].item()
            if cross or held < enough:
                kept.append(i)
            if held >= enough:
                break
        masks.append(torch.zeros(len(values), dtype=torch.bool))
        masks[-1][kept] = True
    return torch.stack(masks).view(maps.shape)


def _compare_masks(mass_mask, maps: Tensor, keep: float) -> None:
    got = call(mass_mask, maps, keep)
    expect(isinstance(got, Tensor), f"Return a tensor; yours is a {type(got).__name__}.")
    want = _mass_mask(maps, keep)
    if got.dtype != torch.bool and got.shape == want.shape:
        expect(
            not _close_to(got, maps * want),
            "You returned the mass itself where it is kept. A mask is bool: which patches, not "
            "how much.",
        )
        raise Wrong(f"A mask is bool; yours is {got.dtype}. It will be combined by & and |.")
    n, flat = maps[0, 0].numel() if maps.ndim > 2 else maps.numel(), maps.flatten(-2)

    def top(count: int) -> Tensor:
        kept = flat.argsort(dim=-1, descending=True).argsort(dim=-1) < count
        return kept.view(maps.shape)

    def crossing(x: Tensor, share: Tensor | float) -> tuple[Tensor, Tensor]:
        """In sorted order: is a patch kept?  And the order."""
        mass, order = x.double().sort(dim=-1, descending=True)
        return mass.cumsum(-1) - mass < share - 1e-12, order

    def back(kept: Tensor, order: Tensor) -> Tensor:
        return torch.zeros_like(kept).scatter(-1, order, kept)

    in_order, order = crossing(flat, keep * flat.double().sum(-1, keepdim=True))
    rows, row_order = crossing(maps, keep * maps.double().sum(-1, keepdim=True))
    absolute = back(*crossing(flat, keep)).view(maps.shape)
    share = f"{keep:.0%}"
    mistakes = {
        f"You kept what is above {share} of the largest value. The threshold is on the sum: the "
        f"smallest set of patches that together hold {share} of the mass.": maps
        > keep * maps.amax((-2, -1), keepdim=True),
        f"You kept the patches with the *least* attention until they hold {share}. Begin with "
        "the largest: sort descending.": _mass_mask(maps, keep, largest=False),
        f"You kept the patches with the *least* attention as long as they hold less than {share}. "
        "Begin with the largest: sort descending.": _mass_mask(
            maps, keep, cross=False, largest=False
        ),
        "You dropped the patch that crosses the line, so the mask holds less than "
        f"{share}. The mask is to hold *at least* {share}: that patch belongs to it.": _mass_mask(
            maps, keep, cross=False
        ),
        "The mask is in the order of the sort: the kept patches are the first in the picture, "
        "not those that were sorted first. Put each answer back where its patch was "
        "(scatter by the order).": in_order.view(maps.shape),
        "You took the answers back with gather (or by indexing with the order). That sorts a "
        "second time; the way back is scatter, or the argsort of the argsort.": in_order.gather(
            -1, order
        ).view(maps.shape),
        f"You compared the sum with {keep:g} itself. A map does not sum to 1, because [CLS] keeps "
        "some for itself: compare with keep times the map's own mass.": absolute,
        "You went row by row: each row of the picture keeps its own share. Flatten the map's h "
        "and w into one line first.": back(rows, row_order),
        "You kept what is above the mean of the map. How much mass that is differs from map "
        "to map.": maps > maps.mean((-2, -1), keepdim=True),
        "You inverted the mask: true is where the attention is not.": ~want,
    } | {
        f"You kept {share} of the *patches*. How many patches it takes is the map's to say: "
        f"few for a sharp one, many for a flat one; {share} is of the mass. ({count} here.)": top(
            count
        )
        for count in (math.floor(keep * n), math.ceil(keep * n))
    }
    if maps.ndim > 2:
        for start, message in (
            (
                1,
                "You sorted all heads of an image together, so a head with high peaks takes the "
                "patches of the others. Each head has a mask of its own: flatten only h and w.",
            ),
            (
                0,
                "You sorted the whole batch together. Each map has a mask of its own: flatten "
                "only h and w.",
            ),
        ):
            line = maps.flatten(start)
            joint = back(*crossing(line, keep * line.double().sum(-1, keepdim=True)))
            mistakes[message] = joint.view(maps.shape)
        mean = maps.mean(1, keepdim=True)
        mistakes["All heads have the same mask: you averaged them first. Each map has its own."] = (
            _mass_mask(mean, keep).expand_as(maps)
        )
        if keep != 0.6:
            mistakes["The share is always 0.6: use the argument keep."] = _mass_mask(maps, 0.6)
    what = "mass_mask([[0.5, 0.32], [0.05, 0.13]], 0.6)" if maps.shape == (2, 2) else "The mask"
    expect_close(
        got,
        want,
        {k: v for k, v in mistakes.items() if not torch.equal(v, want)},
        names="the shape of maps",
        what=what if keep == 0.6 else "The mask",
    )


def _close_to(a: Tensor, b: Tensor) -> bool:
    return bool(torch.allclose(a.double(), b.double(), atol=1e-6))


@check("9.3", "Jaccard of a patch mask and the truth")
def check_9_3(jaccard):
    # By hand: patches of 2 x 2 px. The mask is 8 px, the truth 9, both together 2: 2 / 15.
    mask = torch.tensor([[[[True, False, True], [False, False, False]]]])
    target = torch.zeros(1, 4, 6, dtype=torch.bool)
    target[0, 0:3, 1:4] = True
    by_hand = mask, target
    mask, target = torch.rand(3, 3, 4, 5) < 0.4, torch.zeros(3, 16, 20, dtype=torch.bool)
    for i, (y, x) in enumerate(((1, 2), (5, 9), (2, 5))):
        target[i, y : y + 9, x : x + 7 + i] = True
    # In so small a case as that by hand, one mistake may look like another.
    _name_mistake(call(jaccard, mask, target), mask, target)
    _compare_jaccard(jaccard, *by_hand, "The score of 2 px in both and 15 px in either")
    _compare_jaccard(jaccard, mask, target, "The score")
    nothing, something = torch.zeros(1, 1, 2, 2).bool(), torch.ones(1, 4, 4).bool()
    empty = call(jaccard, nothing, ~something)
    expect_tensor(empty, (1, 1), "(B, heads)")
    expect(
        torch.isfinite(empty).all(),
        "Two empty masks give nan: 0 divided by 0. Nothing was there and nothing was found; let "
        "that score 1.",
    )
    expect_close(
        empty,
        torch.ones(1, 1),
        {
            "Two empty masks score 0 with you. Nothing was there and nothing was found: let "
            "that score 1.": torch.zeros(1, 1)
        },
        what="The score of two empty masks",
        tolerance=1e-3,
    )
    expect_close(
        call(jaccard, nothing, something),
        torch.zeros(1, 1),
        {
            "An empty mask where there is something scores 1 with you; only if both are empty "
            "is it 1.": torch.ones(1, 1)
        },
        what="The score of an empty mask where there is something",
    )
    expect_any_device(jaccard, mask, target)


def _compare_jaccard(jaccard, mask: Tensor, target: Tensor, what: str) -> None:
    want, _ = _jaccard_and_mistakes(mask, target)
    expect_close(call(jaccard, mask, target), want, names="(B, heads)", what=what)


def _name_mistake(got: Tensor, mask: Tensor, target: Tensor) -> None:
    """Raise Wrong where ``got`` is what a known mistake gives."""
    want, mistakes = _jaccard_and_mistakes(mask, target)
    if isinstance(got, Tensor) and not close(got, want):
        for message, value in mistakes.items():
            expect(not close(got, value), message)


def _jaccard_and_mistakes(mask: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The scores (B, heads), counted pixel by pixel; and what goes wrong, with what it gives."""
    batch, heads, h, _ = mask.shape
    size = tuple(target.shape[-2:])
    p = size[0] // h
    pixels = torch.empty(batch, heads, *size, dtype=torch.bool)
    for y in range(size[0]):
        for x in range(size[1]):
            pixels[:, :, y, x] = mask[:, :, y // p, x // p]
    truth = target[:, None]

    def count(x: Tensor) -> Tensor:
        return x.double().sum((-2, -1))

    def ratio(a: Tensor, b: Tensor) -> Tensor:
        return count(a & b) / count(a | b)

    def smooth(corners: bool) -> Tensor:
        return F.interpolate(mask.double(), size=size, mode="bilinear", align_corners=corners)

    overlap, union = count(pixels & truth), count(pixels | truth)
    both = count(pixels) + count(truth)
    want = overlap / union
    pooled = F.avg_pool2d(truth.double(), p)
    soft = smooth(False)
    bilinear = (
        "You enlarged the mask bilinearly: its corners become round and its area changes. A patch "
        "is in the mask or not, all of it: nearest."
    )
    coarse = (
        "You brought the truth down to the patches. The score is of pixels: enlarge the mask to "
        "the truth, so that its coarse outline costs what it should."
    )
    one_number = "One number for all. Each map of each image has its own score; means come later."
    mistakes = {
        "This is accuracy: the share of pixels on which mask and truth agree, most of them "
        "background. Jaccard does not count what is in neither.": count(pixels == truth)
        / (size[0] * size[1]),
        "This is Dice (the F1 score): 2 |A and B| / (|A| + |B|). Jaccard divides the overlap "
        "by the union.": 2 * overlap / both,
        "Your union counts the overlap twice: |A| + |B|. Take the overlap away once, or use "
        "mask | target.": overlap / both,
        "This is precision: the overlap over the mask. A mask of one lucky pixel would score "
        "1; divide by the union.": overlap / count(pixels),
        "This is recall: the overlap over the truth. A mask of everything would score 1; "
        "divide by the union.": overlap / count(truth),
        "You divided by what is in one of the two but not in both (xor). The union holds the "
        "overlap too: mask | target.": overlap / count(pixels ^ truth),
        "You divided by the number of pixels. The union does not count what is in neither.": overlap
        / (size[0] * size[1]),
        "This is the Jaccard *distance*, 1 - J.": 1 - want,
        "You tiled the mask (repeat) where each patch should be stretched: nearest upsampling, "
        "or repeat_interleave.": ratio(mask.repeat(1, 1, p, p), truth),
        f"{one_number} (You pooled the pixels.)": overlap.sum() / union.sum(),
        f"{one_number} (You averaged.)": want.mean(),
        f"{one_number} (You pooled the pixels, for all the same.)": (
            overlap.sum() / union.sum()
        ).expand_as(want),
        "This is the mean of thing and background, each with its Jaccard index. Score the thing "
        "alone: a large background is easy.": (want + ratio(~pixels, ~truth)) / 2,
        "All scores are 0: // divides whole numbers and drops the rest. Divide by /.": (
            torch.zeros_like(want)
        ),
        "You averaged over the batch. Each image has its own score.": want.mean(0),
        "You pooled the pixels of all images. Each image has its own score.": overlap.sum(0)
        / union.sum(0),
        "You averaged over the heads. Each head has its own score; which is best is decided "
        "later.": want.mean(1),
        f"{coarse} (max)": ratio(mask, pooled > 0),
        f"{coarse} (majority)": ratio(mask, pooled > 0.5),
        f"{coarse} (at least half)": ratio(mask, pooled >= 0.5),
        f"{coarse} (nearest)": ratio(mask, truth[..., ::p, ::p]),
        f"{bilinear} (above 0.5)": ratio(soft > 0.5, truth),
        f"{bilinear} (at least 0.5)": ratio(soft >= 0.5, truth),
        f"{bilinear} (above 0)": ratio(soft > 0, truth),
        f"{bilinear} (above 0.5, align_corners)": ratio(smooth(True) > 0.5, truth),
        f"{bilinear} (above 0, align_corners)": ratio(smooth(True) > 0, truth),
        f"{bilinear} (left soft)": count(soft * truth)
        / (count(soft) + count(truth) - count(soft * truth)),
    }
    if batch == heads:
        mistakes[
            "The truth of image b was compared with head b, not with image b: give it a dimension "
            "for the heads, target[:, None]."
        ] = ratio(pixels, target)
    return want, mistakes


@check("9.4", "the best head, of each image and of all")
def check_9_4(best_heads):
    # By hand: 0.8 and 0.6 are the best of each image; head 2 is best overall, with 0.55.
    _compare_heads(best_heads, torch.tensor([[0.1, 0.3, 0.8], [0.2, 0.6, 0.3]]))
    # Head 0 is most often the best, head 1 once by the most, and head 2 is best overall.
    rows = [[0.9, 0.0, 0.6], [0.0, 0.95, 0.6], [0.85, 0.2, 0.7], [0.1, 0.3, 0.65]]
    _compare_heads(best_heads, torch.tensor(rows))
    _compare_heads(best_heads, 0.7 * torch.rand(9, 4) + torch.tensor([0.0, 0.05, 0.2, 0.1]))


def _compare_heads(best_heads, scores: Tensor) -> None:
    got = call(best_heads, scores)
    if isinstance(got, Tensor) and got.shape == (2,):
        got = tuple(got)
    expect(
        isinstance(got, tuple | list) and len(got) == 2,
        "Return two numbers: the mean of the best head of each image, and the mean of the one "
        "head that is best overall.",
    )
    each, one = (torch.as_tensor(x) for x in got)
    rows = scores.double().tolist()
    heads = range(len(rows[0]))
    want_each = sum(max(row) for row in rows) / len(rows)
    means = [sum(row[h] for row in rows) / len(rows) for h in heads]
    want_one = max(means)
    if each.shape == (len(rows),):
        raise Wrong(
            "The first result has one score an image. Return their mean, one number for the data."
        )
    swapped = not each.ndim and not one.ndim and _near(each, want_one) and _near(one, want_each)
    expect(
        not swapped,
        "The two results are swapped: first the mean of each image's best, then the best mean.",
    )
    s = scores.double()
    index = (
        "This is the number of a head, not its score: argmax tells where, max (or amax) how much."
    )
    each_mistakes = {
        "You chose one head for the whole data set. For the first number each image chooses its "
        "own: the max over heads (dim 1) first, then the mean over images.": want_one,
        "You took the mean over heads. The paper scores the *best* head of each image: max over "
        "dim 1.": s.mean(),
        "You took the max over images (dim 0), then the mean over heads: the best image of each "
        "head. Turn it round.": s.amax(0).mean(),
        "You took the largest score of all: one image, one head. Take the max over heads in each "
        "image, then the mean.": s.max(),
        "You took the median of the images; the paper takes the mean.": s.amax(1).median(),
        "You summed over the images; take the mean.": s.amax(1).sum(),
        "You took the smallest of each image.": s.amin(1).mean(),
        index: s.argmax(1).double().mean(),
    }
    expect_close(each, want_each, each_mistakes, names="one number", what="The first result")
    favourite = int(s.argmax(1).mode().values)
    one_mistakes = {
        "You let each image choose here too. For the second number one head is chosen for all "
        "images: the mean over images (dim 0) first, then the max.": want_each,
        "You took the mean of all heads. Choose the one whose mean is highest.": s.mean(),
        "You took the largest score of all: one image, one head. Take the mean over images first, "
        "then the max over heads.": s.max(),
        "You chose the head that is the best of the most images. It need not have the highest "
        "mean.": means[favourite],
        "You chose the head of the single highest score. Choose by the mean over images.": means[
            int(s.argmax()) % len(means)
        ],
        f"{index} (Second result.)": float(max(heads, key=means.__getitem__)),
        "You averaged over the heads (dim 1), then chose the best *image*. Average over images "
        "(dim 0), then choose the head.": s.mean(1).max(),
    }
    expect_close(
        one,
        want_one,
        {k: v for k, v in one_mistakes.items() if not _near(torch.as_tensor(v), want_one)},
        names="one number",
        what="The second result",
    )


def _near(a: Tensor, b: float) -> bool:
    return abs(a.item() - b) < 1e-4


CASES = ("noise", "telling", "random")
# In the notebook's docstring.
EXAMPLE = {"noise": 0.61, "telling": 0.62, "random": 0.63}
EXAMPLE_REASON = "random weights know no better"


@check("9.5", "a prediction")
def check_9_5(predict):
    """Its form alone. Whether it holds, the experiment says."""
    bet = call(predict)
    keys = (*CASES, "because")
    expect(isinstance(bet, dict), f"Return a dict with the keys {keys}; yours is a {_kind(bet)}.")
    missing = [key for key in keys if key not in bet]
    expect(not missing, f"These keys are missing: {missing}. All of {keys} are needed.")
    values = {}
    for name in CASES:
        value = bet[name]
        if isinstance(value, Tensor) and value.ndim == 0:
            value = value.item()
        expect(
            not isinstance(value, tuple | list | range | set),
            f'"{name}" is several numbers. A range is no commitment; say the one that you would '
            "bet on.",
        )
        expect(
            isinstance(value, Real) and not isinstance(value, bool),
            f'"{name}" should be a number, the Jaccard index you expect, not a {_kind(value)}.',
        )
        expect(math.isfinite(value), f'"{name}" is {value}. Say a number from 0 to 1.')
        expect(
            not 1 < value <= 100,
            f'"{name}" is {value:g}: that looks like percent. A Jaccard index lies between 0 and '
            "1: write 0.25 for 25%.",
        )
        expect(0 <= value <= 1, f'"{name}" is {value:g}; a Jaccard index lies between 0 and 1.')
        values[name] = float(value)
    for i, a in enumerate(CASES):
        for b in CASES[i + 1 :]:
            expect(
                abs(values[a] - values[b]) >= 0.01 - 1e-9,
                f'"{a}" and "{b}" are a tie. That cannot turn out wrong, so it is no prediction: '
                "decide which is higher, by 0.01 at least.",
            )
    reason = bet["because"]
    expect(
        isinstance(reason, str) and sum(any(map(str.isalpha, w)) for w in reason.split()) >= 5,
        '"because" should be a sentence of five words or more: the reason you will check '
        "your understanding by.",
    )
    expect(
        values != EXAMPLE and reason != EXAMPLE_REASON,
        "This is the example, which shows the form only. What do *you* expect, and why?",
    )
    again = predict()
    expect(
        isinstance(again, dict) and all(again.get(k) == bet[k] for k in keys),
        "Asked twice, it says two different things. A prediction is written down, not drawn by "
        "lot.",
    )


def _kind(value: object) -> str:
    return type(value).__name__
