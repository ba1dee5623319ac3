"""Exercise 13.5, the Gram loss: tells apart other matrices, other differences and other means,
and gradients that reach the teacher.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import call, check, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import UNIT, Table, with_piece


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def _gram(x: Tensor) -> Tensor:
    """(B, N, D) -> (B, N, N)."""
    return torch.einsum("bnd,bmd->bnm", x, x)


def _square(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square()


def _loss(unit=(_unit, _unit), gram=_gram, far=_square, total=torch.mean) -> Callable:
    return lambda s, t: total(far(gram(unit[0](s)), gram(unit[1](t))))


def _flat(x: Tensor) -> Tensor:
    return x.flatten(0, 1)[None]


PATCHES = (
    "The matrix has a row and a column for each *patch*: X @ X^T of (N, D) is (N, N). It is asked "
    "how alike two places are."
)
GRAMS: dict[str, Callable] = {
    f"This is channel by channel, X^T @ X, (D, D): the Gram matrix of style transfer. {PATCHES}": (
        lambda x: torch.einsum("bnd,bne->bde", x, x)
    ),
    f"This is channel by channel, (D, D), divided by the number of patches. {PATCHES}": (
        lambda x: torch.einsum("bnd,bne->bde", x, x) / x.shape[1]
    ),
    "The patches of all images meet each other, (B N, B N). Each image has a matrix of its own.": (
        lambda x: _gram(_flat(x))
    ),
    f"This is image by image: each patch is compared with the same place of other images. "
    f"{PATCHES}": lambda x: torch.einsum("bnd,cnd->nbc", x, x),
    "The mean feature of each image is taken away first. Patches are compared as they are.": (
        lambda x: _gram(x - x.mean(1, keepdim=True))
    ),
    "The diagonal is left out, and the rest divided by its own number. It is 1 in both anyway; the "
    "mean is over all N x N.": lambda x: _gram(x)[:, ~torch.eye(x.shape[1], dtype=torch.bool)],
    "Each pair counts once (the upper triangle). The mean is over all N x N.": lambda x: _gram(x)[
        :, torch.ones(x.shape[1], x.shape[1]).triu().bool()
    ],
    "Negative similarities are cut off (relu, or a clamp). They count as well.": (
        lambda x: _gram(x).clamp(min=0)
    ),
    "Similarities have lost their signs (abs).": lambda x: _gram(x).abs(),
    "Similarities are squared before they are compared.": lambda x: _gram(x).square(),
    "A softmax is taken of the similarities. They are compared as they are.": (
        lambda x: _gram(x).softmax(-1)
    ),
    "Similarities are divided by the root of D, as in attention. They are cosines: nothing divides "
    "them.": lambda x: _gram(x) / x.shape[-1] ** 0.5,
    "Similarities are divided by the number of patches. They are cosines: nothing divides them.": (
        lambda x: _gram(x) / x.shape[1]
    ),
    "Distances are compared, not cosines.": lambda x: torch.cdist(x, x),
    "Squared distances are compared, 2 - 2 cos: four times the loss. Cosines are asked for.": (
        lambda x: 2 - 2 * _gram(x)
    ),
    "Only the first patch is compared with all others. All pairs are.": lambda x: _gram(x)[:, :1],
    "Only neighbours in the row of patches are compared. All pairs are.": (
        lambda x: (x[:, 1:] * x[:, :-1]).sum(-1)
    ),
    "Your loss is 0, whatever is given. Either one network stands on both sides, student or "
    "teacher twice; or each patch meets only itself (a sum over D of x * x), which is 1 after the "
    "division.": lambda x: x.square().sum(-1),
}
FAR: dict[str, Callable] = {
    "These are absolute differences (L1). Squares are asked for.": lambda a, b: (a - b).abs(),
    "The square is missing: differences of both signs cancel each other.": lambda a, b: a - b,
    "The square is missing, and the sign is turned round.": lambda a, b: b - a,
    "The sign is turned round: your loss falls as the two grow apart.": (
        lambda a, b: -(a - b).square()
    ),
    "Half of the square is taken. The mean of squares has no half.": (
        lambda a, b: (a - b).square() / 2
    ),
    "This is a smooth L1 (Huber) loss. Squares are asked for.": (
        lambda a, b: torch.nn.functional.smooth_l1_loss(a, b, reduction="none")
    ),
    "This is minus the product of the two matrices. Their squared difference is asked for.": (
        lambda a, b: -a * b
    ),
    "This is the student's matrix alone; the teacher's is not in it.": lambda a, b: a.square(),
    "This is the teacher's matrix alone; the student's is not in it.": lambda a, b: b.square(),
    "This is 1 minus the cosine of the two matrices' rows. Their squared difference is asked "
    "for.": lambda a, b: 1 - torch.cosine_similarity(a, b, dim=-1),
    "This is a cross-entropy of softmaxes. The squared difference is asked for.": (
        lambda a, b: -(b.softmax(-1) * a.log_softmax(-1)).sum(-1)
    ),
    "Each image meets the *next* image's teacher (a roll, or an order turned round).": (
        lambda a, b: (a - b.roll(-1, 0)).square()
    ),
    "Each image meets the *first* image's teacher.": lambda a, b: (a - b[:1]).square(),
    "One of the two is turned round in its patches (flip).": (
        lambda a, b: (a - b.flip(-1)).square()
    ),
}
FROBENIUS = "the mean over images and over all N x N pairs"
TOTALS: dict[str, Callable] = {
    f"You summed over everything. Take {FROBENIUS}.": torch.sum,
    f"You summed over the pairs of each image, as the paper's formula is written. Take "
    f"{FROBENIUS}.": lambda x: x.flatten(1).sum(1).mean(),
    f"You summed over the images. Take {FROBENIUS}.": lambda x: x.flatten(1).mean(1).sum(),
    f"You summed over the pairs and divided by N once. Take {FROBENIUS}.": (
        lambda x: x.sum(-1).mean()
    ),
    "You took the root at the end (a root mean square). The mean of squares is asked for.": (
        lambda x: x.mean().sqrt()
    ),
    "You took the root for each image, a Frobenius norm. The mean of squares is asked for.": (
        lambda x: x.flatten(1).sum(1).sqrt().mean()
    ),
    "You took the root of the sum of everything (torch.norm). The mean of squares is asked for.": (
        lambda x: x.sum().sqrt()
    ),
    f"You took the largest. Take {FROBENIUS}.": torch.max,
    "One number an image came back. Return their mean.": lambda x: torch.Size((len(x),)),
    "A matrix came back. Return its mean.": lambda x: torch.Size(x.shape),
}


AS_THEY_ARE = "is taken away before features are brought to length 1. They are used as they are."
CENTRED: dict[str, Callable] = {
    f"The mean feature of each image {AS_THEY_ARE}": lambda x: _unit(x - x.mean(1, keepdim=True)),
    f"The mean feature of all images {AS_THEY_ARE}": lambda x: _unit(x - x.mean((0, 1))),
    f"The mean over the images, place by place, {AS_THEY_ARE}": lambda x: _unit(x - x.mean(0)),
}


def _mistakes() -> Table:
    plain = {
        m: f
        for m, f in UNIT.items()
        if not m.startswith(("The rows are as they came", "You divided without keepdim"))
    }
    table = with_piece(lambda piece: _loss(gram=piece), GRAMS)
    table |= with_piece(lambda piece: _loss(far=piece), FAR)
    table |= with_piece(lambda piece: _loss(total=piece), TOTALS)
    table |= with_piece(lambda piece: _loss(unit=(piece, piece)), plain | CENTRED)
    return table | {
        "Features are normalised over the patches (dim=1; F.normalize without dim does so). Each "
        "patch has a length of its own: dim=-1.": _loss(
            unit=(lambda x: x / x.norm(dim=1, keepdim=True),) * 2
        ),
        "Nothing is brought to length 1: long features weigh more, and these are no cosines.": (
            _loss(unit=(lambda x: x,) * 2)
        ),
        "The student is not brought to length 1.": _loss(unit=(lambda x: x, _unit)),
        "The teacher is not brought to length 1.": _loss(unit=(_unit, lambda x: x)),
        "The matrices are brought to length 1 (a row each), not the features.": _loss(
            unit=(lambda x: x,) * 2, gram=lambda x: _unit(_gram(x))
        ),
        "You compared the features themselves. The loss leaves the student free to turn them as it "
        "likes, and holds only how alike two patches are: compare the matrices.": (
            lambda s, t: (_unit(s) - _unit(t)).square().mean()
        ),
        "You compared the raw features themselves. The loss leaves the student free to turn them "
        "as it likes, and holds only how alike two patches are: compare the matrices.": (
            lambda s, t: (s - t).square().mean()
        ),
        "Student patches meet teacher patches, X_S @ X_T^T. Each has a matrix of its own, and "
        "these are compared.": lambda s, t: (
            (torch.einsum("bnd,bmd->bnm", _unit(s), _unit(t)) - _gram(_unit(t))).square().mean()
        ),
        "Student patches meet teacher patches, X_S @ X_T^T, and that is compared with 1.": (
            lambda s, t: (torch.einsum("bnd,bmd->bnm", _unit(s), _unit(t)) - 1).square().mean()
        ),
        "Student patches meet teacher patches in place of the teacher's own matrix. Each has one "
        "of its own.": lambda s, t: (
            (_gram(_unit(s)) - torch.einsum("bnd,bmd->bnm", _unit(s), _unit(t))).square().mean()
        ),
        "The student's matrix is compared with 1 everywhere, and the teacher is not asked.": (
            lambda s, t: (_gram(_unit(s)) - 1).square().mean()
        ),
        "The student's matrix is compared with the unit matrix, and the teacher is not asked.": (
            lambda s, t: (_gram(_unit(s)) - torch.eye(s.shape[1])).square().mean()
        ),
    }


@check("13.5", "the Gram loss")
def check_13_5(gram_loss):
    # Of one width: many mistakes need it. Lengths differ from patch to patch.
    cases = [
        tuple(torch.randn(b, n, d) * (0.4 + 2 * torch.rand(b, n, 1)) for _ in range(2))
        for b, n, d in ((2, 5, 3), (3, 4, 6), (2, 7, 4))
    ]
    # By hand: cosine 0 against cosine 1, in 2 of 4 places.
    by_hand = (torch.tensor([[[2.0, 0.0], [0.0, 3.0]]]), torch.tensor([[[1.0, 1.0], [2.0, 2.0]]]))
    compare(gram_loss, [*cases, by_hand], _loss(), _mistakes(), "a scalar", "The loss")
    wider = (torch.randn(2, 5, 3), torch.randn(2, 5, 8))
    compare(gram_loss, [wider, (wider[1], wider[0])], _loss(), what="The loss of two widths D")
    _expect_gradients(gram_loss, *cases[0])
    x = torch.randn(2, 6, 4)
    turn, _ = torch.linalg.qr(torch.randn(4, 4))
    expect(
        abs(float(call(gram_loss, 3 * x @ turn, x))) < 1e-5,
        "Features that are turned and stretched as a whole are as alike to each other as before, "
        "so the loss is 0; yours is not.",
    )
    expect_dtype(gram_loss, *cases[1])
    expect_any_device(gram_loss, *cases[0])


def _expect_gradients(gram_loss, student: Tensor, teacher: Tensor) -> None:
    student, teacher = student.clone().requires_grad_(), teacher.clone().requires_grad_()
    loss = gram_loss(student, teacher)
    expect(
        isinstance(loss, Tensor) and loss.requires_grad,
        "No gradient flows into the student: it is detached, or all is under no_grad. Only the "
        "teacher is held.",
    )
    of_student, of_teacher = torch.autograd.grad(loss, (student, teacher), allow_unused=True)
    expect(
        of_teacher is None or not of_teacher.any(),
        "A gradient flows into the teacher. It is the student of an earlier day, kept as it was: "
        "detach() it.",
    )
    expect(
        of_student is not None and bool(of_student.any()),
        "No gradient flows into the student. It is the one that learns.",
    )
    wide = student.detach().double().requires_grad_()
    (want,) = torch.autograd.grad(_loss()(wide, teacher.detach().double()), wide)
    expect(
        torch.allclose(of_student.double(), want, atol=1e-5),
        "The loss is right and its gradient in the student is not: one of the two factors of its "
        "matrix is detached, or the lengths are taken as constants.",
    )
