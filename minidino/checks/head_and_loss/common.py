"""The loss over the pairs as a function of its pieces, and mistakes in each of these, for several
checks of notebook 04.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from minidino.checks.core import Wrong
from minidino.checks.mistakes import (
    CROSS_ENTROPY,
    LOG_SOFTMAX,
    SOFTMAX,
    Table,
    softmax,
    with_piece,
)

SAME_VIEW = (
    "You kept the pairs of a view with itself. Skip them, i == j: the student would only learn to "
    "copy."
)
BOTH = (
    "Softmax and log_softmax are over dimension {d} of (views, images, K), that is over {what}. A "
    "distribution is over prototypes: dim=-1."
)


def cross_entropy(q: Tensor, log_p: Tensor) -> Tensor:
    return -(q * log_p).sum(-1)


def all_pairs(q: Iterable[Tensor], log_p: Iterable[Tensor], pair: Callable) -> Tensor:
    """pair(q_i, log_p_j) of every two views: (G, V, ...)."""
    return torch.stack([torch.stack([pair(a, b) for b in log_p]) for a in q])


def cross_entropies(q: Tensor, log_p: Tensor) -> Tensor:
    """H of every teacher view i with every student view j: (n_global, views, B)."""
    return all_pairs(q, log_p, cross_entropy)


def of_different_views(terms: Tensor) -> Tensor:
    """(pairs, ...): those of different views."""
    n_global, views = terms.shape[:2]
    return terms[torch.arange(n_global)[:, None] != torch.arange(views)]


different = of_different_views


def expect_loss(loss: Any) -> None:
    """A tensor, whose gradient can be asked for."""
    if not isinstance(loss, Tensor):
        raise Wrong(
            "The loss is a plain number, which no gradient can start from. Return the tensor: no "
            ".item(), no float() and no NumPy."
        )


def crop_major(rows: Tensor, batch: int) -> Sequence[Tensor]:
    return rows.split(batch)


def image_major(rows: Tensor, batch: int) -> Tensor:
    return rows.view(batch, -1, rows.shape[-1]).transpose(0, 1)


def dino(
    target: Callable = lambda t, c, temp: softmax(t - c, temp),
    predict: Callable = lambda s, c, temp: torch.log_softmax(s / temp, -1),
    read: tuple[Callable, Callable] = (crop_major, crop_major),
    pair: Callable = cross_entropy,
    reduce: Callable = lambda terms: of_different_views(terms).mean(),
    batch_of: Callable = lambda s, t, n_global: len(t) // n_global,
    dims: tuple[int, int] | None = None,
) -> Callable:
    """The loss (s, t, center, teacher_temp, student_temp, n_global) of these pieces.

    ``target`` and ``predict`` see rows; ``dims`` takes both softmaxes over (views, B, K) instead.
    """

    def loss(s, t, c, teacher_temp, student_temp, n_global=2):
        batch = batch_of(s, t, n_global)
        if dims:
            q = softmax((t - c).view(n_global, batch, -1), teacher_temp, dims[0])
            log_p = (s.view(-1, batch, s.shape[-1]) / student_temp).log_softmax(dims[1])
        else:
            q = read[0](target(t, c, teacher_temp), batch)
            log_p = read[1](predict(s, c, student_temp), batch)
        return reduce(all_pairs(q, log_p, pair))

    return loss


def _ours(table: Table, *left_out: str) -> Table:
    """A shared table without what the mean over rows makes right, or what is not asked here."""
    return {m: f for m, f in table.items() if not m.startswith(left_out)}


PAIR = _ours(
    *(CROSS_ENTROPY, "You returned one", "You averaged over rows", "The sum over prot"),
    "Every target met",
)
TARGETS: Table = {
    "You added the center. It is taken away, so that no prototype is everyone's favourite: logits "
    "- center.": lambda t, c, temp: softmax(t + c, temp),
    "You left the center out, or took its mean alone away, which a softmax does not see: this is "
    "sharpening alone.": lambda t, c, temp: softmax(t, temp),
    "You divided the teacher's logits by the temperature but not the center. Subtract first, then "
    "divide the difference.": lambda t, c, temp: softmax(t / temp - c, 1),
    "You divided the center by the temperature but not the teacher's logits. Brackets: (logits - "
    "center) / temperature.": lambda t, c, temp: softmax(t - c / temp, 1),
    "You took the center away after the softmax. It is a mean of raw scores: subtract it before.": (
        lambda t, c, temp: softmax(t, temp) - c
    ),
    "You took the softmax of the center away. Subtract first, then one softmax.": (
        lambda t, c, temp: softmax(t, temp) - softmax(c, temp)
    ),
    "You divided by the center. It is taken away.": lambda t, c, temp: softmax(t / c, temp),
    "You centred on this batch's mean alone. The loss uses the running center that it is given, "
    "from before this step.": lambda t, c, temp: softmax(t - t.mean(0), temp),
    **{
        f"The teacher's temperature is fixed at {f}. It is an argument, and changes during a "
        "run.": (lambda t, c, temp, f=f: softmax(t - c, f))
        for f in (0.04, 0.07, 0.1)
    },
}
PREDICTIONS: Table = {
    "You centred the student. The center is the teacher's: it is taken away from the teacher's "
    "logits only.": lambda s, c, temp: torch.log_softmax((s - c) / temp, -1),
    "The student's temperature is fixed at 0.1. Use the one that is given.": (
        lambda s, c, temp: torch.log_softmax(s / 0.1, -1)
    ),
    "The target is right, and so is the softmax of the student; the logarithm of a sum is missing: "
    "log p = s - logsumexp(s).": lambda s, c, temp: (
        s / temp - (s / temp).exp().sum(-1, keepdim=True)
    ),
    "You divided the student's logits by the root of the temperature. The temperature itself "
    "divides.": lambda s, c, temp: torch.log_softmax(s / temp**0.5, -1),
    "You divided the student's logits by the temperature squared, or twice. Once is enough.": (
        lambda s, c, temp: torch.log_softmax(s / temp**2, -1)
    ),
    "The largest score is taken away in place of the logsumexp.": lambda s, c, temp: (
        s / temp - (s / temp).amax(-1, keepdim=True)
    ),
}


def _soft(piece: Callable) -> Callable:
    return dino(lambda t, c, temp: piece(t - c, temp))


def _log_soft(piece: Callable) -> Callable:
    return dino(predict=lambda s, c, temp: piece(s, temp))


def value_mistakes() -> Table:
    """Mistakes in what is compared: center, temperatures, softmaxes, rows, cross-entropy."""
    right = dino()
    soft = _ours(SOFTMAX, "This is the argmax", "A softmax of a")
    major = "{} image-major, all views of image 0 first. Rows are crop-major: .view(-1, batch, K)."
    return {
        "The temperatures are swapped: teacher_temp belongs to the target, student_temp to the "
        "prediction.": lambda s, t, c, tt, ts, *n: right(s, t, c, ts, tt, *n),
        "You used the student's temperature for both.": (
            lambda s, t, c, tt, ts, *n: right(s, t, c, ts, ts, *n)
        ),
        "You used the teacher's temperature for both.": (
            lambda s, t, c, tt, ts, *n: right(s, t, c, tt, tt, *n)
        ),
        "You centred the student in the teacher's place. The center is taken away from the "
        "teacher's logits only.": lambda s, t, c, tt, ts, *n: right(s - c, t + c, c, tt, ts, *n),
        major.format("You read the rows"): dino(read=(image_major, image_major)),
        major.format("You read the student's rows"): dino(read=(crop_major, image_major)),
        major.format("You read the teacher's rows"): dino(read=(image_major, crop_major)),
        major.format("You cut the student's rows into (B, V, K), that is"): dino(
            read=(crop_major, lambda rows, batch: rows.view(batch, -1, rows.shape[-1]))
        ),
        "F.kl_div by default divides by the prototypes too, and takes the target's entropy away. "
        "The cross-entropy is -(q * log_p).sum(-1).": dino(
            pair=lambda q, lp: (torch.special.xlogy(q, q) - q * lp).mean(-1)
        ),
        BOTH.format(d=0, what="the views"): dino(dims=(0, 0)),
        BOTH.format(d=1, what="the images of a batch"): dino(dims=(1, 1)),
        "The student's log_softmax is over the views; dim=-1.": dino(dims=(-1, 0)),
        "The teacher's softmax is over the views; dim=-1.": dino(dims=(0, -1)),
        "The student's log_softmax is over the images of the batch; dim=-1.": dino(dims=(-1, 1)),
        "The teacher's softmax is over the images of the batch; dim=-1.": dino(dims=(1, -1)),
        "Softmax and log_softmax are over all rows (dim 0). A distribution is over prototypes: "
        "dim=-1.": dino(
            lambda t, c, temp: softmax(t - c, temp, 0),
            lambda s, c, temp: torch.log_softmax(s / temp, 0),
        ),
        "Every image is compared with every other, q @ log_p.T. Only the same image's views belong "
        "together.": dino(pair=lambda q, lp: -(q @ lp.T)),
        "The target is neither centred nor sharpened: this is a bare softmax of the teacher's "
        "logits.": dino(lambda t, c, temp: softmax(t, 1)),
        "You took the teacher's argmax for its target, and what the teacher knows about the "
        "runners-up is lost. The target is the whole distribution.": dino(
            pair=lambda q, lp: -lp.gather(-1, q.argmax(-1, keepdim=True))
        ),
        **with_piece(dino, TARGETS),
        **with_piece(lambda piece: dino(predict=piece), PREDICTIONS),
        **with_piece(
            lambda piece: dino(pair=piece), _ours(PAIR, "You scored the target's largest")
        ),
        **{f"{m} (In the teacher's target.)": f for m, f in with_piece(_soft, soft).items()},
        **with_piece(_log_soft, LOG_SOFTMAX),
    }


def means() -> Table:
    """Mistakes in which of the terms (G, V, B) are taken, and how their mean is taken."""

    def total(terms: Tensor) -> Tensor:
        return different(terms).mean() * len(different(terms))

    def local(terms: Tensor) -> Tensor:
        return terms[:, len(terms) :]

    def globals_only(terms: Tensor) -> Tensor:
        return different(terms[:, : len(terms)])

    def but(terms: Tensor, shift: int) -> Tensor:  # all but (i, i + shift)
        i, j = torch.arange(terms.shape[0])[:, None], torch.arange(terms.shape[1])
        return terms[i + shift != j]

    def running(terms: Tensor) -> Tensor:
        total = torch.zeros(())
        for term in different(terms):
            total = (total + term.mean()) / 2
        return total

    def upper(terms: Tensor) -> Tensor:
        i, j = torch.arange(terms.shape[0])[:, None], torch.arange(terms.shape[1])
        return terms[i < j]

    def per_view(terms: Tensor) -> Tensor:  # the mean over views of the mean over their teachers
        n_global, views = terms.shape[:2]
        own = torch.eye(n_global, views, dtype=torch.bool)
        each = [terms[~own[:, j], j].mean() for j in range(views)]
        return torch.stack(each).mean()

    pairs = "the mean is over the pairs, n_global * views - n_global of them"
    return {
        SAME_VIEW: lambda x: x.mean(),
        "You kept the pairs of a view with itself in the sum and left them out of the count. Skip "
        "them in both.": lambda x: x.mean() * x[..., 0].numel() / len(different(x)),
        "You took the pairs of a view with *itself*; they are the ones to skip.": lambda x: (
            torch.stack([x[i, i].mean() for i in range(len(x))]).mean()
        ),
        "You have the local views only. The student's global views count too, against the "
        "teacher's other one.": lambda x: local(x).mean(),
        "You have the global views only. The student's local views are compared with every teacher "
        "view.": lambda x: globals_only(x).mean(),
        "You returned the sum of everything; the loss is the mean over pairs and images. A sum "
        "grows with views and batch, and the learning rate would have to follow.": (
            lambda x: different(x).sum()
        ),
        "You added the pairs; the loss is their mean, or it grows with the number of views. Divide "
        "by the number of pairs.": lambda x: total(x),
        "You averaged the pairs and added the images, or divided by the number of pairs and not by "
        "the batch; the loss is the mean over both.": (lambda x: different(x).mean(0).sum()),
        f"You divided by the number of views; {pairs}.": (lambda x: total(x) / x.shape[1]),
        f"You divided by the number of local views; {pairs}.": (
            lambda x: different(x).mean() * len(different(x)) / (x.shape[1] - x.shape[0])
        ),
        f"You divided by the number of teacher views; {pairs}.": (lambda x: total(x) / x.shape[0]),
        f"You divided by the teacher's rows, n_global * batch; {pairs}, and over the images.": (
            lambda x: different(x).sum() / x.shape[0] / x.shape[2] / x.shape[2]
        ),
        "You divided by n_global * views: the pairs of a view with itself are skipped, and still "
        f"counted; {pairs}.": (
            lambda x: different(x).mean() * len(different(x)) / (x.shape[0] * x.shape[1])
        ),
        "You divided by n_global * views - 1. Each of the n_global teacher views skips one, so "
        f"{pairs}.": (
            lambda x: different(x).mean() * len(different(x)) / (x.shape[0] * x.shape[1] - 1)
        ),
        "You divided the mean by the number of views; it is a mean already.": (
            lambda x: different(x).mean() / x.shape[1]
        ),
        "You divided the mean by the number of teacher views; it is a mean already.": (
            lambda x: different(x).mean() / x.shape[0]
        ),
        "You divided by the number of pairs twice; a mean is in it already.": (
            lambda x: different(x).mean() / len(different(x))
        ),
        "You took the largest of the pairs; the loss is their mean.": lambda x: (
            different(x).mean(-1).max()
        ),
        "Only the pair (0, 0) is skipped. Each global view is skipped with itself: i == j.": (
            lambda x: x.flatten(0, 1)[1:].mean()
        ),
        "You divided by the number of images twice; a mean is in it already.": (
            lambda x: different(x).mean() / x.shape[2]
        ),
        **{
            f"{n} is written in for the number of pairs. It follows from the views; {pairs}.": (
                lambda x, n=n: total(x) / n
            )
            for n in (18, 20)
        },
        "Only (1, 0) is there: a `break` at a view's own pair ends the row. `continue` skips it.": (
            lambda x: x[1, 0].mean()
        ),
        "You averaged for each student view first and then over views, which counts a global view "
        "more than a local one's pair. All pairs weigh the same.": per_view,
        "You averaged global and local views apart, and then the two. All pairs weigh the same.": (
            lambda x: (globals_only(x).mean() + local(x).mean()) / 2
        ),
        "total = (total + term) / 2 is no mean: the last pair gets half of the weight. Add up, and "
        "divide at the end.": running,
        "(i, j) is there for i < j only. (0, 1) and (1, 0) are two pairs: either network may have "
        "seen either view.": lambda x: upper(x).mean(),
        "(i, j) is there for i < j only, and still the full number of pairs divides.": (
            lambda x: upper(x).sum() / different(x).numel()
        ),
        "This is the last pair alone. `loss = ...` in a loop overwrites; collect the pairs, or "
        "add.": lambda x: x[-1, -1].mean() if x.shape[1] > len(x) else different(x)[-1].mean(),
        "This is the last pair alone, over the number of pairs. `loss = ...` in a loop overwrites; "
        "add.": lambda x: different(x)[-1].mean() / len(different(x)),
        "This is the first pair alone. Is a `return` inside the loop?": (
            lambda x: different(x)[0].mean()
        ),
        "This is the first teacher view's part alone. Is a `return`, or the end of a loop, at the "
        "wrong depth?": lambda x: x[0, 1:].mean(),
        "This is the first teacher view's part alone, over the number of all pairs.": (
            lambda x: x[0, 1:].sum() / different(x).numel()
        ),
        "This is the last teacher view's part alone.": (
            lambda x: different(x)[-x.shape[1] + 1 :].mean()
        ),
        "Your student views are numbered from 1 where the teacher's are from 0, so other pairs are "
        "skipped than those of a view with itself.": lambda x: but(x, -1).mean(),
        "Your teacher views are numbered from 1 where the student's are from 0, so other pairs are "
        "skipped than those of a view with itself.": lambda x: but(x, 1).mean(),
        "The mean over the images is missing: one number an image. A scalar is asked for.": (
            lambda x: different(x).mean(0)
        ),
        "The mean over the pairs is missing: one number a pair. A scalar is asked for.": (
            lambda x: different(x).mean(1)
        ),
        "The mean is missing: a number for each pair and image. A scalar is asked for.": different,
    }


def pair_mistakes() -> Table:
    """Mistakes in which pairs are taken, in their mean, and in where a view ends."""
    flipped = {"pair": lambda q, lp: -(lp * q).sum(-1)}
    size = (
        "split(n) makes pieces *of size* n. You gave it n_global; a view has B = "
        "len(teacher_logits) // n_global rows."
    )
    from_student = (
        "You took the batch from the student's rows, over n_global. The student has more views; B "
        "follows from the teacher's rows."
    )
    reduced = with_piece(lambda reduce: dino(reduce=reduce), means())
    return reduced | {
        size: dino(batch_of=lambda s, t, n: n),
        from_student: dino(batch_of=lambda s, t, n: len(s) // n),
        f"{from_student} ": dino(batch_of=lambda s, t, n: len(s) // n, **flipped),
    }
