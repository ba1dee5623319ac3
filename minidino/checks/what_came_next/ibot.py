"""Exercise 13.2, iBOT's loss: tells apart who sees what, which patches count, and how they are
averaged; and gradients that reach the teacher, or do not reach the mask token.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from minidino.checks.compare import compare
from minidino.checks.core import (
    call,
    check,
    expect,
    expect_close,
    expect_dtype,
    expect_numbers,
)
from minidino.checks.mistakes import CROSS_ENTROPY, LOG_SOFTMAX, SOFTMAX, Table


class Net(nn.Module):
    """(B, N, D) -> (B, N, K); each patch's answer depends on all patches and on its place."""

    def __init__(self, n: int, dim: int, k: int):
        super().__init__()
        self.place = nn.Parameter(torch.randn(n, dim))
        self.first = nn.Parameter(torch.randn(dim, dim))
        self.last = nn.Parameter(torch.randn(dim, k) / 2)

    def forward(self, x: Tensor) -> Tensor:
        place, first, last = (w.to(x.dtype) for w in (self.place, self.first, self.last))
        x = ((x + place) @ first).tanh()
        return (x + 0.7 * x.mean(1, keepdim=True)) @ last


def _hidden(patches: Tensor, token: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask[..., None], token.to(patches.dtype), patches)


def _whole(patches: Tensor, token: Tensor, mask: Tensor) -> Tensor:
    return patches


def _target(logits: Tensor, center: Tensor, t: float) -> Tensor:
    return ((logits - center.to(logits.dtype)) / t).softmax(-1)


def _log_p(logits: Tensor, t: float) -> Tensor:
    return (logits / t).log_softmax(-1)


def _cross(q: Tensor, log_p: Tensor) -> Tensor:
    """(B, N)"""
    return -(q * log_p).sum(-1)


def _of_images(each: Tensor, mask: Tensor) -> Tensor:
    """(B,): the mean over each image's hidden patches; 0 where there is none."""
    return (each * mask).sum(1) / mask.sum(1).clamp(min=1)


def _per_image(each: Tensor, mask: Tensor) -> Tensor:
    return _of_images(each, mask).mean()


def _loss(
    sees=_hidden, shown=_whole, target=_target, log_p=_log_p, each=_cross, total=_per_image
) -> Callable:
    def answer(student, teacher, patches, token, mask, center, student_temp, teacher_temp):
        q = target(teacher(shown(patches, token, mask)), center, teacher_temp)
        p = log_p(student(sees(patches, token, mask)), student_temp)
        return total(each(q, p), mask)

    return answer


STUDENT = "The student sees the mask token where mask is True, and all other patches as they are."
SEES: dict[str, Callable] = {
    "Nothing is hidden from the student: it sees all patches, and there is nothing to guess. "
    f"{STUDENT}": _whole,
    "The mask is turned round for the student: what should be seen is hidden, and the reverse. "
    f"{STUDENT}": lambda x, token, mask: _hidden(x, token, ~mask),
    "The mask token is added to the hidden patches, which shine through. It takes their place.": (
        lambda x, token, mask: x + token.to(x.dtype) * mask[..., None]
    ),
    "Hidden patches are set to 0. The mask token takes their place: it is learned.": (
        lambda x, token, mask: x * ~mask[..., None]
    ),
    "All patches are hidden from the student.": (
        lambda x, token, mask: _hidden(x, token, torch.ones_like(mask))
    ),
    "All images are hidden by the first image's mask. Each has its own.": (
        lambda x, token, mask: _hidden(x, token, mask[:1].expand_as(mask))
    ),
    "The mask token is added to the patches that stay as well. It takes the place of hidden "
    "ones.": lambda x, token, mask: _hidden(x + token.to(x.dtype), token, mask),
    "Hidden patches get the mean of the picture's patches. The mask token takes their place.": (
        lambda x, token, mask: torch.where(mask[..., None], x.mean(1, keepdim=True), x)
    ),
}  # fmt: skip
SHOWN: dict[str, Callable] = {
    "The teacher sees the hidden picture too, so nobody knows what was there. It sees all patches "
    "as they are.": _hidden,
    "The teacher sees the hidden patches alone; the others are mask tokens. It sees all patches.": (
        lambda x, token, mask: _hidden(x, token, ~mask)
    ),
    "The teacher sees zeros where patches are hidden. It sees all patches as they are.": (
        lambda x, token, mask: x * ~mask[..., None]
    ),
}
CENTER = "It is taken from the teacher's logits, before the temperature: (logits - center) / T."
TARGETS: dict[str, Callable] = {
    f"You added the center. {CENTER}": lambda x, c, t: _target(x, -c, t),
    f"The center is not used. {CENTER}": lambda x, c, t: (x / t).softmax(-1),
    f"The center is taken away after the temperature divides. {CENTER}": (
        lambda x, c, t: (x / t - c).softmax(-1)
    ),
    f"The center is taken from probabilities. {CENTER}": lambda x, c, t: (x / t).softmax(-1) - c,
    "The mean of this batch is taken from the teacher's logits. The center you were given is.": (
        lambda x, c, t: ((x - x.mean((0, 1))) / t).softmax(-1)
    ),
    "The softmax is over the patches (dim=1). Each patch has a distribution over K prototypes: "
    "dim=-1.": lambda x, c, t: ((x - c) / t).softmax(1),
    "The softmax is over the images (dim=0). Each patch has a distribution over K prototypes: "
    "dim=-1.": lambda x, c, t: ((x - c) / t).softmax(0),
    "The target is hard (argmax). It stays a distribution.": lambda x, c, t: nn.functional.one_hot(
        (x - c).argmax(-1), x.shape[-1]
    ).to(x.dtype),
    "0.04 is written in for the teacher's temperature. It is an argument.": (
        lambda x, c, t: _target(x, c, 0.04)
    ),
    "0.07 is written in for the teacher's temperature. It is an argument.": (
        lambda x, c, t: _target(x, c, 0.07)
    ),
}
LOG_PS: dict[str, Callable] = {
    "The student's softmax is over the patches (dim=1). Over K prototypes: dim=-1.": (
        lambda x, t: (x / t).log_softmax(1)
    ),
    "0.1 is written in for the student's temperature. It is an argument.": (
        lambda x, t: _log_p(x, 0.1)
    ),
}
IMAGES = "The mean over each image's hidden patches first, then the mean over the images."
TOTALS: dict[str, Callable] = {
    f"All patches count, the visible ones too: those the student can copy. {IMAGES}": (
        lambda each, mask: each.mean()
    ),
    f"The visible patches count, not the hidden ones. {IMAGES}": (
        lambda each, mask: _per_image(each, ~mask)
    ),
    f"All hidden patches of the batch are averaged at once (loss[mask].mean()), so an image that "
    f"hides more weighs more. {IMAGES}": lambda each, mask: each[mask].mean(),
    f"An image's sum is divided by all its patches, N. Divide by those that are hidden. {IMAGES}": (
        lambda each, mask: (each * mask).mean()
    ),
    f"An image's hidden patches are summed. {IMAGES}": (
        lambda each, mask: (each * mask).sum(1).mean()
    ),
    f"You summed over all hidden patches of the batch. {IMAGES}": (
        lambda each, mask: (each * mask).sum()
    ),
    f"You summed over the images. {IMAGES}": lambda each, mask: _of_images(each, mask).sum(),
    "Images without a hidden patch are left out of the mean. They count, with 0: divide by B.": (
        lambda each, mask: _of_images(each, mask).sum() / mask.any(1).sum()
    ),
    "An image without a hidden patch makes the loss nan, 0 / 0. Its sum is 0: divide by at least "
    "1.": lambda each, mask: ((each * mask).sum(1) / mask.sum(1)).mean(),
    f"The hidden patches of each *place* are averaged (dim=0). {IMAGES}": (
        lambda each, mask: ((each * mask).sum(0) / mask.sum(0).clamp(min=1)).mean()
    ),
    "One number an image came back. Return their mean.": (
        lambda each, mask: torch.Size((len(mask),))
    ),
    "One number a patch came back. Return one number.": lambda each, mask: torch.Size(mask.shape),
    f"1 is added to the number of hidden patches. Divide by that number, by 1 where it is 0. "
    f"{IMAGES}": lambda each, mask: ((each * mask).sum(1) / (1 + mask.sum(1))).mean(),
}
NOT_HERE = (
    "You summed over the rows", "Every target met", "You returned one number",
    "You averaged over rows", "The sum over prototypes is missing", "You scored the target's",
)  # fmt: skip
NAN = (
    "Your loss is nan in every case. What gives nan: 0 / 0; a logarithm of a negative number (of "
    "logits, where probabilities belong); a softmax over nothing but -inf; 0 times inf. Print each "
    "step for one image."
)


def _of(table: Table, *leave: str) -> Table:
    return {m: f for m, f in table.items() if not m.startswith(leave)}


def _mistakes() -> Table:
    table = {m: _loss(sees=piece) for m, piece in SEES.items()}
    table |= {m: _loss(shown=piece) for m, piece in SHOWN.items()}
    table |= {m: _loss(target=piece) for m, piece in TARGETS.items()}
    table |= {m: _loss(log_p=piece) for m, piece in LOG_PS.items()}
    table |= {m: _loss(total=piece) for m, piece in TOTALS.items()}
    table |= {
        f"{m} (Of the teacher's target.)": _loss(
            target=lambda x, c, t, f=piece: f(x - c.to(x.dtype), t)
        )
        for m, piece in _of(SOFTMAX, "You took the softmax over the rows", "This is the argmax",
                            "You divided by a sum over dim").items()
    }  # fmt: skip
    table |= {
        m: _loss(log_p=piece)
        for m, piece in _of(
            LOG_SOFTMAX,
            "The student's log_softmax is over the rows",
            "log(p + eps)",
            "A clamp puts",
            "You took the logarithm of raw scores",  # nan, as much else is
        ).items()
    }
    table |= {m: _loss(each=piece) for m, piece in _of(CROSS_ENTROPY, *NOT_HERE).items()}
    right = _loss()
    return table | {
        "The center is taken from the student's logits as well. Only the teacher's are centred.": (
            lambda s, t, x, token, mask, c, ts, tt: right(
                lambda y: s(y) - c.to(y.dtype), t, x, token, mask, c, ts, tt
            )
        ),
        "The center is taken from the student's logits, not from the teacher's.": (
            lambda s, t, x, token, mask, c, ts, tt: right(
                lambda y: s(y) - c.to(y.dtype), t, x, token, mask, 0 * c, ts, tt
            )
        ),
        "The two temperatures are swapped. The teacher's divides the teacher's logits.": (
            lambda s, t, x, token, mask, c, ts, tt: right(s, t, x, token, mask, c, tt, ts)
        ),
        "The student's temperature is used for both. The teacher has its own.": (
            lambda s, t, x, token, mask, c, ts, tt: right(s, t, x, token, mask, c, ts, ts)
        ),
        "The teacher's temperature is used for both. The student has its own.": (
            lambda s, t, x, token, mask, c, ts, tt: right(s, t, x, token, mask, c, tt, tt)
        ),
        "The mask is read the other way round throughout: True is *hidden*, and you hide and count "
        "the patches where it is False.": lambda s, t, x, token, mask, c, ts, tt: right(
            s, t, x, token, ~mask, c, ts, tt
        ),
        "KL is taken, and of all hidden patches of the batch at once (F.kl_div with "
        "reduction='batchmean', of what mask picks): without the target's entropy, and an image "
        f"that hides more weighs more. The cross-entropy is asked for. {IMAGES}": _loss(
            each=lambda q, log_p: torch.special.xlogy(q, q).sum(-1) + _cross(q, log_p),
            total=lambda each, mask: each[mask].mean(),
        ),
        "The networks are exchanged: the teacher sees the hidden picture and the student all of "
        "it.": lambda s, t, x, token, mask, c, ts, tt: right(t, s, x, token, mask, c, ts, tt),
        "The target comes from the student itself; the teacher is not asked.": (
            lambda s, t, x, token, mask, c, ts, tt: right(s, s, x, token, mask, c, ts, tt)
        ),
        "The teacher is asked for both, the guess and the target. The student guesses.": (
            lambda s, t, x, token, mask, c, ts, tt: right(t, t, x, token, mask, c, ts, tt)
        ),
        "A hidden patch meets the target of the *next* patch (a roll, or an order turned round).": (
            lambda s, t, x, token, mask, c, ts, tt: right(
                s, lambda y: t(y).roll(-1, 1), x, token, mask, c, ts, tt
            )
        ),
        "A hidden patch meets the target of the same place in the *next* image.": (
            lambda s, t, x, token, mask, c, ts, tt: right(
                s, lambda y: t(y).roll(-1, 0), x, token, mask, c, ts, tt
            )
        ),
        "All hidden patches meet the picture's mean target. Each has its own.": (
            lambda s, t, x, token, mask, c, ts, tt: _loss(
                target=lambda y, c, t: _target(y, c, t).mean(1, keepdim=True)
            )(s, t, x, token, mask, c, ts, tt)
        ),
        "The answers of all hidden patches are averaged before they are compared, as for [CLS]. "
        "Each hidden patch is compared with its own target.": (
            lambda s, t, x, token, mask, c, ts, tt: _loss(
                log_p=lambda y, t: _log_p(y.mean(1, keepdim=True), t)
            )(s, t, x, token, mask, c, ts, tt)
        ),
    }


def _sharp_mistakes() -> Table:
    """What shows where the student is sure and wrong."""
    low = "log(p + eps), or a clamp, puts a ceiling on the loss. Use log_softmax. (Of {:g}.)"
    table = {
        low.format(e): _loss(log_p=lambda x, t, e=e: ((x / t).softmax(-1) + e).log())
        for e in (1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
    }
    return table | {
        "The logarithm of a softmax is -inf where the softmax is 0 in float32. Use log_softmax.": (
            _loss(log_p=lambda x, t: (x / t).float().softmax(-1).log())
        ),
    }


def _case(sizes: tuple, masks: list[str], student_temp: float, teacher_temp: float) -> tuple:
    """A mask is a word of x (hidden) and . for each image."""
    dim, k = sizes
    mask = torch.tensor([[letter == "x" for letter in word] for word in masks])
    networks = (Net(mask.shape[1], dim, k) for _ in range(2))
    patches, token = torch.randn(*mask.shape, dim), torch.randn(dim)
    return (*networks, patches, token, mask, torch.randn(k) / 2, student_temp, teacher_temp)


@check("13.2", "iBOT: guess the hidden patches")
def check_13_2(ibot_loss):
    cases = [
        _case((4, 5), ["x.x..", ".xxxx", "....."], 1.3, 0.8),
        _case((3, 6), ["xx....", "..x.xx"], 0.9, 0.2),
        _case((5, 4), ["x...", ".xx.", "....", ".xxx"], 1.6, 0.7),
    ]
    nothing = {NAN: lambda *case: math.nan}
    compare(ibot_loss, cases, _loss(), nothing | _mistakes(), "a scalar", "The loss")
    sharp = [
        _case((4, 5), ["xxx..", "x.x.x"], 0.008, 0.5), _case((3, 4), ["x..", "xx."], 0.006, 0.7)
    ]  # fmt: skip
    what = "The loss of a student that is sure, and wrong,"
    compare(ibot_loss, sharp, _loss(), _sharp_mistakes(), what=what)
    # By hand: a student that answers 0 pays ln 2 for each of two prototypes' hidden patches.
    plain = _case((2, 2), ["x.x.", "....", ".xxx"], 0.1, 0.04)
    by_hand = plain[1], *plain[2:]
    expect_close(
        call(ibot_loss, lambda x: 0 * x, *by_hand), math.log(2) * 2 / 3, what="The loss of 2 of 3"
    )
    _expect_gradients(ibot_loss, *cases[0])
    expect_dtype(lambda x: ibot_loss(*cases[1][:2], x, *(
        a.double() if isinstance(a, Tensor) and a.is_floating_point() else a for a in cases[1][3:]
    )), cases[1][2])  # fmt: skip


def _expect_gradients(ibot_loss, student, teacher, patches, token, *rest) -> None:
    token = token.clone().requires_grad_()
    loss = ibot_loss(student, teacher, patches, token, *rest)
    expect(
        isinstance(loss, Tensor) and loss.requires_grad,
        "The loss has no gradient: the student's part is detached, or computed under no_grad. Only "
        "the teacher's is to be.",
    )
    learns = [*student.parameters(), token]
    of_teacher = torch.autograd.grad(
        loss, [*teacher.parameters()], allow_unused=True, retain_graph=True
    )
    expect(
        all(g is None or not g.any() for g in of_teacher),
        "Gradients reach the teacher: the target could move to where the guess is. It follows by "
        "EMA alone: ask it under torch.no_grad().",
    )
    got = torch.autograd.grad(loss, learns, allow_unused=True)
    expect_numbers(*got)
    expect(
        got[-1] is not None and bool(got[-1].any()),
        "No gradient reaches the mask token. It is learned: put it in as it is, not its values.",
    )
    expect(
        all(g is not None and g.any() for g in got[:-1]),
        "No gradient reaches the student. It learns: only the teacher's answers are constants.",
    )
    want = torch.autograd.grad(
        _loss(target=lambda *a: _target(*a).detach())(student, teacher, patches, token, *rest),
        learns,
    )
    expect(
        all(torch.allclose(g, w, atol=1e-4) for g, w in zip(got, want, strict=True)),
        "The loss is right and its gradient is not: a part of the student's answer is detached.",
    )
