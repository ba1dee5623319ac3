"""Exercise 10.2, BYOL's target: tells apart who is compared with whom, how, and who learns."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from minidino.checks.compare import compare
from minidino.checks.core import check, expect, expect_dtype
from minidino.checks.mistakes import UNIT, Table


class Net(nn.Module):
    """(n, a) -> (n, b); every row on its own, so that it does not matter who is asked together."""

    def __init__(self, a: int, b: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(a, b))
        self.bias = nn.Parameter(torch.randn(b))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight.to(x.dtype) + self.bias.to(x.dtype)).tanh()


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def _apart(p: Tensor, z: Tensor) -> Tensor:
    """(B,) squared distances of unit rows."""
    return (p - z).square().sum(1)


def _same(x: Tensor) -> Tensor:
    return x


Answers = tuple[Tensor, Tensor]


def _predicted(s, p, t, a, b) -> Answers:
    return p(s(a)), p(s(b))


def _followed(s, p, t, a, b) -> Answers:
    return t(a), t(b)


def _crossed(far: Callable, p: Answers, z: Answers) -> Tensor:
    return far(p[0], z[1]) + far(p[1], z[0])


def _loss(
    student=_predicted, teacher=_followed, unit=(_unit, _unit), far=_apart, pair=_crossed,
    total=torch.mean,
) -> Callable:  # fmt: skip
    def answer(*given) -> Tensor:
        p, z = (tuple(map(u, who(*given))) for u, who in zip(unit, (student, teacher), strict=True))
        return total(pair(far, p, z))

    return answer


FOLLOWS = "The target is the teacher's projection, without a predictor: teacher(view)."
ANSWERS: dict[str, dict[str, Callable]] = {
    "The predictor is missing. The student's projection goes through it: predictor(student(view)). "
    "Without it BYOL collapses.": {"student": lambda s, p, t, a, b: (s(a), s(b))},
    f"The predictor is on both sides. {FOLLOWS}": {
        "teacher": lambda s, p, t, a, b: (p(t(a)), p(t(b)))
    },
    "The networks are exchanged: the predictor belongs above the student's answer, and the target "
    "is the teacher's as it is.": {
        "student": lambda s, p, t, a, b: (s(a), s(b)),
        "teacher": lambda s, p, t, a, b: (p(t(a)), p(t(b))),
    },
    f"The target comes from the student (as in SimSiam); the teacher is not asked. {FOLLOWS}": {
        "teacher": lambda s, p, t, a, b: (s(a), s(b))
    },
    "The teacher is asked for both, prediction and target. The student predicts.": {
        "student": lambda s, p, t, a, b: (p(t(a)), p(t(b)))
    },
    "The predictor is missing in front of one of the two: it stands above the student's projection "
    "of each view.": {"student": lambda s, p, t, a, b: (p(s(a)), s(b))},
    "The predictor is missing in front of the first view. It stands above the student's projection "
    "of each.": {"student": lambda s, p, t, a, b: (s(a), p(s(b)))},
    "The predictor is applied twice.": {
        "student": lambda s, p, t, a, b: (p(p(s(a))), p(p(s(b))))
    },
    "The student sees the first view only. Each of the two views predicts the other's target.": {
        "student": lambda s, p, t, a, b: (p(s(a)), p(s(a)))
    },
    "The target is of the first view only. Each of the two views predicts the other's target.": {
        "teacher": lambda s, p, t, a, b: (t(a), t(a))
    },
    "The target is of the second view only. Each of the two views predicts the other's target.": {
        "teacher": lambda s, p, t, a, b: (t(b), t(b))
    },
    "The target is the mean of both views' projections. It is that of the other view.": {
        "teacher": lambda s, p, t, a, b: ((t(a) + t(b)) / 2,) * 2
    },
}  # fmt: skip
SAME_VIEW = (
    "Each view predicts its *own* target, which asks nothing of the augmentation. It predicts that "
    "of the *other* view."
)
PAIRS: dict[str, Callable] = {
    SAME_VIEW: lambda far, p, z: far(p[0], z[0]) + far(p[1], z[1]),
    "Only the first view predicts. The loss has two terms: the second view predicts, too.": (
        lambda far, p, z: far(p[0], z[1])
    ),
    "Only the second view predicts. The loss has two terms: the first view predicts, too.": (
        lambda far, p, z: far(p[1], z[0])
    ),
    "One term is there twice, that of the first view.": lambda far, p, z: 2 * far(p[0], z[1]),
    "The mean of the two terms is taken (or 1 - cos in place of 2 - 2 cos). Their sum is asked "
    "for.": lambda far, p, z: _crossed(far, p, z) / 2,
    "All four pairs of views are compared. Only those of different views are.": (
        lambda far, p, z: _crossed(far, p, z) + far(p[0], z[0]) + far(p[1], z[1])
    ),
    "The two views' predictions are compared with each other; the teacher is not asked.": (
        lambda far, p, z: 2 * far(p[0], p[1])
    ),
    "The second term is taken away where it should be added.": (
        lambda far, p, z: far(p[0], z[1]) - far(p[1], z[0])
    ),
    "Each image predicts the target of the *next* image (a roll, or an order turned round).": (
        lambda far, p, z: far(p[0], z[1].roll(-1, 0)) + far(p[1], z[0].roll(-1, 0))
    ),
}
FAR: dict[str, Callable] = {
    "The sum of the cosines came back. The loss falls as they rise: 2 - 2 cos for each pair.": (
        lambda p, z: (p * z).sum(1)
    ),
    "This is the negative cosine: the constant is missing. 2 - 2 cos for each pair.": (
        lambda p, z: -(p * z).sum(1)
    ),
    "Twice the negative cosine: the constant is missing. 2 - 2 cos for each pair.": (
        lambda p, z: -2 * (p * z).sum(1)
    ),
    "This is SimSiam's loss, the mean of the two negative cosines. Here each pair of views counts "
    "2 - 2 cos, and the two are added.": lambda p, z: -(p * z).sum(1) / 2,
    "The signs are turned round, 2 + 2 cos: the loss climbs as the prediction gets better.": (
        lambda p, z: 2 + 2 * (p * z).sum(1)
    ),
    "The squares are averaged over the D numbers (F.mse_loss does). They are summed: 2 - 2 cos.": (
        lambda p, z: (p - z).square().mean(1)
    ),
    "You took the distance itself. Its square is asked for: 2 - 2 cos.": (
        lambda p, z: _apart(p, z).sqrt()
    ),
    "You took absolute differences (L1). The squares are asked for: 2 - 2 cos.": (
        lambda p, z: (p - z).abs().sum(1)
    ),
    "You took a smooth L1 (Huber) loss. The squares are asked for: 2 - 2 cos.": (
        lambda p, z: nn.functional.smooth_l1_loss(p, z, reduction="none").sum(1)
    ),
    "The cosine is squared. 2 - 2 cos.": lambda p, z: 2 - 2 * (p * z).sum(1).square(),
    "You took the angle (acos). 2 - 2 cos.": lambda p, z: (p * z).sum(1).clamp(-1, 1).acos(),
    "Other images are in your loss, as negatives: this is a contrastive one. BYOL compares the "
    "views of one image.": (
        lambda p, z: -(p @ z.T).log_softmax(1).diagonal()
    ),
}  # fmt: skip
TOTALS: dict[str, Callable] = {
    "You summed over the images; take the mean.": torch.sum,
    "The result has one number an image. Return their mean.": lambda each: torch.Size((len(each),)),
    "You took the batch's largest; take the mean.": torch.max,
}


def _mistakes() -> Table:
    table = {m: _loss(**pieces) for m, pieces in ANSWERS.items()}
    table |= {m: _loss(pair=piece) for m, piece in PAIRS.items()}
    table |= {m: _loss(far=piece) for m, piece in FAR.items()}
    table |= {m: _loss(total=piece) for m, piece in TOTALS.items()}
    table |= {
        m: _loss(unit=(piece, piece))
        for m, piece in UNIT.items()
        if not m.startswith(("The rows are as they came", "You divided without keepdim"))
    }
    raw = _loss(unit=(_same, _same))
    return table | {
        "The cosine is over the batch (dim=0), one for each of the D numbers. An image has one: "
        "dim=1.": _loss(unit=(lambda x: x / x.norm(dim=0),) * 2, far=lambda p, z: _apart(p.T, z.T)),
        "This is DINO's loss, a cross-entropy of softmaxes. BYOL's is a squared distance of unit "
        "rows, 2 - 2 cos.": _loss(
            unit=(_same, _same), far=lambda p, z: -(z.softmax(1) * p.log_softmax(1)).sum(1)
        ),
        "Nothing is brought to length 1: the student can lower the loss by making all its answers "
        "small. Divide prediction and target by their lengths.": raw,
        "Nothing is brought to length 1, and the squares are averaged (F.mse_loss). Divide "
        "prediction and target by their lengths; then 2 - 2 cos.": _loss(
            unit=(_same, _same), far=lambda p, z: (p - z).square().mean(1)
        ),
        "The prediction is not brought to length 1.": _loss(unit=(_same, _unit)),
        "The target is not brought to length 1.": _loss(unit=(_unit, _same)),
        "Dot products without lengths: cosines divide by both lengths.": _loss(
            unit=(_same, _same), far=lambda p, z: 2 - 2 * (p * z).sum(1)
        ),
        "The prediction is brought to length 1 before the predictor, and not after it.": _loss(
            student=lambda s, p, t, a, b: (p(_unit(s(a))), p(_unit(s(b)))), unit=(_same, _unit)
        ),
        "The projection is brought to length 1 before the predictor. It goes in as it is.": _loss(
            student=lambda s, p, t, a, b: (p(_unit(s(a))), p(_unit(s(b))))
        ),
    }


def _case(n: int, views: int, dim: int, kind=Net) -> tuple:
    networks = kind(views, dim), kind(dim, dim), kind(views, dim)
    return *networks, torch.randn(n, views), torch.randn(n, views)


@check("10.2", "BYOL's target")
def check_10_2(byol_loss):
    cases = [_case(*sizes) for sizes in ((5, 4, 3), (3, 6, 5), (6, 3, 4))]
    compare(byol_loss, cases, _loss(), _mistakes(), "a scalar", "The loss")
    for mode in (False, True):
        student, predictor, teacher, *views = _case(4, 3, 3, Watched)
        _expect_modes_kept(byol_loss, student, predictor, teacher.train(mode), *views)
    # Gradients: those of a formula in which the targets are constants.
    student, predictor, teacher, a, b = cases[0]
    loss = byol_loss(student, predictor, teacher, a, b)
    expect(
        isinstance(loss, Tensor) and loss.requires_grad,
        "The loss has no gradient: the student's part is detached, or computed under no_grad. Only "
        "the teacher's is to be.",
    )
    loss.backward()
    expect(
        all(p.grad is None or not p.grad.any() for p in teacher.parameters()),
        "Gradients reach the teacher: the target could move to where the prediction is, which is "
        "the shortest way to a collapse. It follows by EMA alone: ask it under torch.no_grad().",
    )
    want = _gradients(*cases[0])
    for name, network in (("student", student), ("predictor", predictor)):
        got = [p.grad for p in network.parameters()]
        expect(
            all(g is not None and g.any() for g in got),
            f"No gradient reaches the {name}. It learns: only the teacher's answers are constants.",
        )
        expect(
            all(torch.allclose(g, w, atol=1e-4) for g, w in zip(got, want[name], strict=True)),
            f"The loss is right and the gradient in the {name} is not: one of the two terms is "
            "detached, or the target reaches the student.",
        )
    expect_dtype(byol_loss, *cases[1])
    same = Net(2, 2)
    alike = byol_loss(same, nn.Identity(), same, torch.ones(1, 2), torch.ones(1, 2))
    expect(
        math.isclose(alike.item(), 0.0, abs_tol=1e-5),
        "Where the prediction is the target the loss is 0; yours is not.",
    )


def _gradients(student, predictor, teacher, a, b) -> dict[str, list[Tensor]]:
    networks = {"student": copy.deepcopy(student), "predictor": copy.deepcopy(predictor)}
    s, p = networks.values()
    s.zero_grad(), p.zero_grad()
    targets = teacher(a).detach(), teacher(b).detach()
    _loss(teacher=lambda *_: targets)(s, p, teacher, a, b).backward()
    return {
        "student": [x.grad for x in s.parameters()],
        "predictor": [x.grad for x in p.parameters()],
    }


class Watched(Net):
    """Keeps the modes in which it was asked."""

    def forward(self, x: Tensor) -> Tensor:
        self.asked = [*getattr(self, "asked", []), self.training]
        return super().forward(x)


def _expect_modes_kept(byol_loss, *case) -> None:
    networks = case[:3]
    before = [(n.training, [p.requires_grad for p in n.parameters()]) for n in networks]
    byol_loss(*case)
    after = [(n.training, [p.requires_grad for p in n.parameters()]) for n in networks]
    expect(
        before == after,
        "Your function changes a network for good: eval(), train() or requires_grad_(). Whoever "
        "calls it has set them; torch.no_grad() is enough.",
    )
    expect(
        all(
            mode == was
            for n, (was, _) in zip(networks, before, strict=True)
            for mode in getattr(n, "asked", [])
        ),
        "Your function asks a network in another mode than it is in (eval() or train(), set back "
        "afterwards): its batch norms and dropout then answer another question. Whoever calls it "
        "has set the modes; torch.no_grad() is enough.",
    )
