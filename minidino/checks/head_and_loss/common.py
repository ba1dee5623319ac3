"""The loss over the pairs by its formula, and mistakes in it, for several checks of notebook 04."""

import torch
from torch import Tensor

SAME_VIEW = (
    "You kept the pairs of a view with itself: {n} terms where there should be {m}. Skip them; "
    "the student would only learn to copy."
)
EPS = (
    "log(p + eps) puts a ceiling on the loss: a student that is more wrong pays no more, and its "
    "gradient is gone. Use log_softmax."
)


def cross_entropies(q: Tensor, log_p: Tensor) -> Tensor:
    """H of every teacher view i with every student view j: (n_global, views, B)."""
    return -torch.einsum("ibk,jbk->ijb", q, log_p)


def of_different_views(terms: Tensor) -> Tensor:
    """(pairs, B): the pairs of different views."""
    n_global, views, _ = terms.shape
    return terms[torch.arange(n_global)[:, None] != torch.arange(views)]


def loss_by_formula(
    student: Tensor,
    teacher: Tensor,
    center: Tensor,
    teacher_temp: float,
    student_temp: float,
    n_global: int = 2,
    layout: str = "crop-major",
    dims: tuple[int | None, int | None] = (-1, -1),
    eps: float = 0.0,
) -> Tensor:
    """The mean over pairs by the formula in float64, or with one thing in it changed.

    ``dims`` are those of the teacher's and the student's softmax over (views, B, K); None
    stands for views and images at once.
    """
    batch = len(teacher) // n_global
    views = len(student) // batch

    def split(x: Tensor, n: int) -> Tensor:
        if layout == "crop-major":
            return x.double().view(n, batch, -1)
        return x.double().view(batch, n, -1).transpose(0, 1)

    t, s = split(teacher, n_global), split(student, views)

    def log_softmax(x: Tensor, dim: int | None) -> Tensor:
        return x.flatten(0, 1).log_softmax(0).view_as(x) if dim is None else x.log_softmax(dim)

    q = log_softmax((t - center.double()) / teacher_temp, dims[0]).exp()
    log_p = log_softmax(s / student_temp, dims[1])
    if eps:
        log_p = (log_p.exp() + eps).log()
    return of_different_views(cross_entropies(q, log_p)).mean()


def value_mistakes(
    s: Tensor, t: Tensor, c: Tensor, teacher_temp: float, student_temp: float
) -> dict[str, Tensor]:
    """Mistakes in what is compared: center, temperatures, softmax."""

    def loss(center=c, tt=teacher_temp, ts=student_temp, **kw) -> Tensor:
        return loss_by_formula(s, t, center, tt, ts, **kw)

    over_views = "You took the softmax over the views. The distribution is over prototypes: dim=-1."
    over_rows = (
        "You took the softmax over the rows (dim 0). The distribution is over prototypes: dim=-1."
    )
    return {
        "You added the center. It is taken away, so that no prototype is everyone's favourite: "
        "logits - center.": loss(center=-c),
        "You left the center out: this is sharpening alone.": loss(center=0 * c),
        "You divided the teacher's logits by the temperature but not the center. Subtract first, "
        "then divide the difference.": loss(center=c * teacher_temp),
        "You centred the student too. The center is the teacher's: it is taken away from the "
        "teacher's logits only.": loss_by_formula(s - c, t, c, teacher_temp, student_temp),
        "The temperatures are swapped: teacher_temp belongs to the target, student_temp to the "
        "prediction.": loss(tt=student_temp, ts=teacher_temp),
        "You used 0.9 for the student's temperature; that is the center's momentum. Use the "
        "argument (0.1 in DINO).": loss(ts=0.9),
        "You did not divide the student's logits by a temperature.": loss(ts=1.0),
        "You did not divide the teacher's logits by a temperature: the target is not sharpened.": (
            loss(tt=1.0)
        ),
        "You used the student's temperature for both.": loss(tt=student_temp),
        "You used the teacher's temperature for both.": loss(ts=teacher_temp),
        f"{over_views} (Both networks'.)": loss(dims=(0, 0)),
        f"{over_views} (The student's.)": loss(dims=(-1, 0)),
        f"{over_views} (The teacher's.)": loss(dims=(0, -1)),
        f"{over_rows} (Both networks'.)": loss(dims=(None, None)),
        f"{over_rows} (The student's.)": loss(dims=(-1, None)),
        f"{over_rows} (The teacher's.)": loss(dims=(None, -1)),
        "You took the softmax over the images of the batch. The distribution is over prototypes: "
        "dim=-1.": loss(dims=(1, 1)),
        **{f"{EPS} (eps = {e:g})": loss(eps=e) for e in (1e-8, 1e-6, 1e-5, 1e-4)},
    }
