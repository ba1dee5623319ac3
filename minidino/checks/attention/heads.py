"""Exercise 9.4, the best head, of each image and of all: tells apart other ways to choose."""

import functools

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import check, expect


def _each(s: Tensor) -> Tensor:
    return s.amax(1).mean()


def _one(s: Tensor) -> Tensor:
    return s.mean(0).amax()


def _of_head(choose):
    """The mean over images of the head that ``choose`` takes."""
    return lambda s: s[:, choose(s)].mean()


INDEX = "This is the number of a head, not its score: argmax tells where, max (or amax) how much."
FIRST = {
    "You chose one head for the whole data set. For the first number each image chooses its own: "
    "the max over heads (dim 1) first, then the mean over images.": _one,
    "You took the mean over heads. The paper scores the *best* head of each image: max over dim "
    "1.": lambda s: s.mean(),
    "You took the max over images (dim 0), then the mean over heads: the best image of each head. "
    "Turn it round.": lambda s: s.amax(0).mean(),
    "You took the largest score of all: one image, one head. Take the max over heads in each "
    "image, then the mean.": lambda s: s.max(),
    "You averaged over the heads (dim 1), then took the best *image*. The max over heads first, "
    "then the mean over images.": lambda s: s.mean(1).max(),
    "You took the median of the images; the paper takes the mean.": (lambda s: s.amax(1).median()),
    "You took the median of the heads; the paper takes the best.": (
        lambda s: s.median(1).values.mean()
    ),
    "You summed over the images; take the mean.": lambda s: s.amax(1).sum(),
    "You summed over the images and divided by the number of heads. Divide by the number of "
    "images.": lambda s: s.amax(1).sum() / s.shape[1],
    "You summed over the heads. The best head of each image: max over dim 1.": (
        lambda s: s.sum(1).mean()
    ),
    "You took the smallest of each image.": lambda s: s.amin(1).mean(),
    "You took the best of each image, and then the worst image. Then the mean.": (
        lambda s: s.amax(1).min()
    ),
    "This is the first image's best head. The mean over all images is asked for.": (
        lambda s: s[0].max()
    ),
    "This is the last image's best head. The mean over all images is asked for.": (
        lambda s: s[-1].max()
    ),
    INDEX: lambda s: s.argmax(1).double().mean(),
    f"{INDEX} (Of the best head of all.)": lambda s: s.mean(0).argmax().double(),
    "The first result has one score an image. Return their mean, one number for the data.": (
        lambda s: torch.Size((len(s),))
    ),
    "The first result has one score a head. The max over heads (dim 1) first, then the mean.": (
        lambda s: torch.Size((s.shape[1],))
    ),
}
SECOND = {
    "You let each image choose here too. For the second number one head is chosen for all images: "
    "the mean over images (dim 0) first, then the max.": _each,
    "You took the mean of all heads. Choose the one whose mean is highest.": lambda s: s.mean(),
    "You took the largest score of all: one image, one head. Take the mean over images first, then "
    "the max over heads.": lambda s: s.max(),
    "You took the max over images (dim 0), then the mean over heads. The mean over images first, "
    "then the max over heads.": lambda s: s.amax(0).mean(),
    "You chose the head that is the best of the most images. It need not have the highest mean.": (
        _of_head(lambda s: s.argmax(1).mode().values)
    ),
    "You chose the head of the single highest score. Choose by the mean over images.": (
        _of_head(lambda s: int(s.argmax()) % s.shape[1])
    ),
    "You chose the head that is best on the first image. Choose by the mean over images.": (
        _of_head(lambda s: s[0].argmax())
    ),
    "You chose the head that is best on the last image. Choose by the mean over images.": (
        _of_head(lambda s: s[-1].argmax())
    ),
    "You chose the head with the highest median. Choose by the mean over images.": (
        _of_head(lambda s: s.median(0).values.argmax())
    ),
    "You chose the head with the best *worst* image. Choose by the mean over images.": (
        _of_head(lambda s: s.amin(0).argmax())
    ),
    "You took the highest median of the heads. The highest mean is asked for.": (
        lambda s: s.median(0).values.max()
    ),
    "You took the middle one of the heads' means. The highest is asked for.": (
        lambda s: s.mean(0).median()
    ),
    "You took the *lowest* mean of the heads. The highest is asked for.": (
        lambda s: s.mean(0).min()
    ),
    "This is head 0, whichever is the best. Choose the one whose mean is highest.": (
        lambda s: s[:, 0].mean()
    ),
    "This is the last head, whichever is the best. Choose the one whose mean is highest.": (
        lambda s: s[:, -1].mean()
    ),
    "You summed over the images; take the mean.": lambda s: s.sum(0).max(),
    f"{INDEX} (Second result.)": lambda s: s.mean(0).argmax().double(),
    "You averaged over the heads (dim 1), then chose the best *image*. Average over images (dim "
    "0), then choose the head.": lambda s: s.mean(1).max(),
    "The second result has one score a head. The highest of them is asked for.": (
        lambda s: torch.Size((s.shape[1],))
    ),
    "The second result has one score an image. One number for the data: the mean over images (dim "
    "0), then the max.": lambda s: torch.Size((len(s),)),
}


def _mistakes():
    table = {m: lambda s, f=f: (f(s), _one(s)) for m, f in FIRST.items()}
    second = {m if m not in table else f"{m} (Second result.)": f for m, f in SECOND.items()}
    table |= {m: lambda s, f=f: (_each(s), f(s)) for m, f in second.items()}
    return {
        "The two results are swapped: first the mean of each image's best, then the best mean.": (
            lambda s: (_one(s), _each(s))
        ),
        "Images and heads are swapped: dim 0 is images, dim 1 is heads.": (
            lambda s: (_each(s.T), _one(s.T))
        ),
        "Both are in percent. A Jaccard index lies between 0 and 1.": (
            lambda s: (100 * _each(s), 100 * _one(s))
        ),
        "Both are rounded to two digits. Return them as they are.": (
            lambda s: (round(_each(s).item(), 2), round(_one(s).item(), 2))
        ),
        **table,
    }


@check("9.4", "the best head, of each image and of all")
def check_9_4(best_heads):
    @functools.wraps(best_heads)
    def ask(scores):
        got = best_heads(scores)
        if isinstance(got, Tensor) and got.shape == (2,):
            got = tuple(got)
        expect(not isinstance(got, dict), "Return the two numbers as a tuple, not in a dict.")
        expect(
            isinstance(got, tuple | list) and len(got) == 2 and not hasattr(got, "indices"),
            "Return two numbers: the mean of the best head of each image, and the mean of the one "
            "head that is best overall.",
        )
        for part in got:
            expect(
                isinstance(part, int | float | Tensor) or not hasattr(part, "indices"),
                "max(dim=...) returns two things, the largest values and where they are: take "
                ".values, or use amax.",
            )
        return tuple(
            float(p) if hasattr(p, "__float__") and not isinstance(p, Tensor) else p for p in got
        )

    # Head 0 is most often the best, head 1 once by the most, and head 2 is best overall.
    rows = [[0.9, 0.0, 0.6], [0.0, 0.95, 0.6], [0.85, 0.2, 0.7], [0.1, 0.3, 0.65]]
    cases = [
        (torch.tensor(rows),),
        (0.7 * torch.rand(9, 4) + torch.tensor([0.0, 0.05, 0.2, 0.1]),),
        (torch.rand(5, 7),),
    ]
    what = "What you return"
    compare(ask, cases, lambda s: (_each(s), _one(s)), _mistakes(), "one number", what)
    # By hand: 0.8 and 0.6 are the best of each image; head 2 is best overall, with 0.55.
    few = [(torch.tensor([[0.1, 0.3, 0.8], [0.2, 0.6, 0.3]]),), (torch.tensor([[0.4]]),)]
    compare(ask, few, lambda s: (_each(s), _one(s)), names="one number", what=what)
