"""Checks of notebook 04: the head, the pairs of views, the loss plain and lean, its center."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.checks.core import (
    Wrong,
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_close,
    expect_gradient,
    expect_tensor,
)

# ---------------------------------------------------------------- the head


def _through(layers: list[nn.Linear], x: Tensor, between, after=lambda y: y) -> Tensor:
    """The layers one after the other in float64, ``between`` each two of them."""
    x = x.double()
    for i, layer in enumerate(layers):
        x = F.linear(x, layer.weight.detach().double(), layer.bias.detach().double())
        x = between(x) if i < len(layers) - 1 else after(x)
    return x


@check("4.1", "from the feature to the bottleneck")
def check_4_1(head_mlp):
    mlp = call(head_mlp, 12, 20, 6)
    expect(
        isinstance(mlp, nn.Module),
        "Return a module, such as nn.Sequential(...): an optimizer must find its parameters.",
    )
    layers = [m for m in mlp.modules() if isinstance(m, nn.Linear)]
    expect(
        len(layers) == 3,
        f"You have {len(layers)} nn.Linear layers. The head has three: in, hidden, bottleneck. "
        "(A list that is not an nn.ModuleList or nn.Sequential hides its layers.)",
    )
    expect(
        all(layer.bias is not None for layer in layers),
        "A layer has no bias. The three linear layers have one; only the prototypes that follow "
        "have none.",
    )
    widths = [(layer.in_features, layer.out_features) for layer in layers]
    expect(
        widths != [(12, 20), (20, 20), (20, 20)],
        "There is no bottleneck: the last layer is as wide as the hidden ones. It should narrow "
        "to bottleneck_dim, or each prototype costs hidden_dim numbers in place of a few.",
    )
    expect(
        widths == [(12, 20), (20, 20), (20, 6)],
        f"Your layers map {widths}; for head_mlp(12, 20, 6) they should map "
        "12 to 20, 20 to 20 and 20 to 6: two hidden layers, then the bottleneck.",
    )
    x = 3 * torch.randn(7, 12)
    with torch.no_grad():
        for layer in layers:  # away from the start values, where biases may be 0
            layer.weight.normal_(std=0.5)
            layer.bias.normal_()
        mlp.train()
        got = call(mlp, x)
        expect_tensor(got, (7, 6), "(rows, bottleneck_dim)")
        expect(
            close(got, call(mlp, x)),
            "The same rows give different results: there is dropout in the head. DINO has none.",
        )
        expect(
            close(got[:3], call(mlp, x[:3])),
            "A row's result depends on the other rows of the batch: there is a BatchNorm in the "
            "head. With a ViT, DINO's head has none.",
        )
    want = _through(layers, x, F.gelu)
    tanh = _through(layers, x, lambda y: F.gelu(y, approximate="tanh"))
    if close(got, tanh, 1e-3) and not close(got, want):
        want = tanh  # GELU by its tanh approximation is GELU too
    expect_close(
        got,
        want,
        {
            "There is nothing between the linear layers, so the three amount to one. Put "
            "nn.GELU() between them.": _through(layers, x, lambda y: y),
            "You used ReLU. It works, but the head of DINO, like the ViT, has GELU: weights "
            "released for one do not fit the other.": _through(layers, x, F.relu),
            "There is an activation after the last layer too. The bottleneck is a direction: it "
            "must be free to be negative.": _through(layers, x, F.gelu, F.gelu),
            "You L2-normalised in the MLP already. That is right in itself; here it is the next "
            "exercise's part, so end with the linear layer.": F.normalize(want, dim=-1),
        },
        names="(rows, bottleneck_dim)",
    )


@check("4.2", "a score is a cosine")
def check_4_2(prototype_scores):
    # By hand: (3, 4) has length 5, so its cosine with the two axes is 3/5 and 4/5.
    x, v = torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0], [0.0, 7.0], [-1.0, 0.0]])
    got = call(prototype_scores, x, v)
    expect_close(
        got,
        torch.tensor([[0.6, 0.8, -0.6]]),
        _score_mistakes(x, v),
        names="(rows, K)",
        what="prototype_scores([[3, 4]], [[2, 0], [0, 7], [-1, 0]])",
    )
    x = torch.randn(5, 3) * torch.linspace(0.5, 4, 5)[:, None]
    v = torch.randn(4, 3) * torch.linspace(3, 0.3, 4)[:, None]
    wants, mistakes = F.cosine_similarity(x[:, None], v, dim=-1), _score_mistakes(x, v)
    x, v = x.requires_grad_(), v.requires_grad_()
    got = call(prototype_scores, x, v)
    expect_close(got, wants, mistakes, names="(rows, K)")
    expect_gradient(got, x, "No gradient reaches x, so the backbone cannot learn.")
    expect_gradient(
        got,
        v,
        "No gradient reaches the prototypes. Only their length is fixed; their direction is "
        "learned, so do not detach them.",
    )
    for vectors, name in ((v, "a prototype"), (x, "the bottleneck x")):
        (gradient,) = torch.autograd.grad(got.sum(), vectors, retain_graph=True)
        expect(
            (gradient * vectors).sum(1).abs().max() < 1e-4,
            f"The length of {name} gets a gradient: you detached the norm. Let the gradient flow "
            "through the division, so that only the direction is learned.",
        )
    expect_any_device(prototype_scores, x.detach(), v.detach())


def _score_mistakes(x: Tensor, v: Tensor) -> dict[str, Tensor]:
    x, v = x.double(), v.double()
    x_length, v_length = x.norm(dim=1, keepdim=True), v.norm(dim=1, keepdim=True)
    xn, vn = x / x_length, v / v_length
    x0, v0 = F.normalize(x, dim=0), F.normalize(v, dim=0)
    x1, v1 = F.normalize(x, p=1, dim=1), F.normalize(v, p=1, dim=1)
    return {
        "Neither x nor the prototypes are normalised, so scores have no bound. Both get length 1: "
        "then a score is a cosine, between -1 and 1.": x @ v.T,
        "The bottleneck x is not L2-normalised: a network can then raise all its scores by making "
        "x longer, which undoes the temperature. Divide each row by its length.": x @ vn.T,
        "The prototypes are not normalised, so a long one wins for every image. Each row of v "
        "gets length 1.": xn @ v.T,
        "You normalised the prototypes along dim 0, over all K. A prototype is a row of v: its "
        "length is along dim=1.": xn @ v0.T,
        "You normalised x along dim 0, over the batch. A row is one view, and has a length of its "
        "own: dim=-1.": x0 @ vn.T,
        "You normalised both along dim 0. Rows are the vectors here: normalise along the last "
        "dimension.": x0 @ v0.T,
        "You divided by the length of the whole matrix. Each row has a length of its own: dim=-1, "
        "keepdim=True.": (x / x.norm()) @ (v / v.norm()).T,
        "You divided the prototypes by the length of the whole matrix. Each row of v has a length "
        "of its own: dim=-1, keepdim=True.": xn @ (v / v.norm()).T,
        "You normalised the scores. It is the two vectors that get length 1, before the "
        "product.": F.normalize(x @ v.T, dim=-1),
        "You divided by the sum of the entries' sizes (the L1 norm). Length is the L2 norm.": x1
        @ v1.T,
        "You divided by the squared length. Length is the square root of the sum of squares.": (
            (xn / x_length) @ (vn / v_length).T
        ),
        "You returned probabilities. The head returns scores; centering and the softmax are the "
        "loss's.": (xn @ vn.T).softmax(-1),
        "Rows and columns are swapped: a row belongs to a view, a column to a prototype.": vn
        @ xn.T,
    }


# ---------------------------------------------------------------- the pairs


@check("4.3", "which view predicts which")
def check_4_3(view_pairs):
    got = call(view_pairs, 2, 10)
    expect(
        not isinstance(got, int),
        "You returned how many pairs there are. Return the pairs: [(0, 1), ...].",
    )
    got = _pairs(got)
    all_pairs = {(i, j) for i in range(2) for j in range(10)}
    known = {
        "You kept the pairs of a view with itself: 20, where 18 count. Teacher and student "
        "see the same pixels there, and the student learns to copy, not to recognise.": all_pairs,
        "You have only the local student views: 16 pairs. The student's global views count too, "
        "each against the teacher's *other* global view.": {(i, j) for i, j in all_pairs if j > 1},
        "You have only the global views: 2 pairs. The student's local views are predicted "
        "from, too; local to global is what DINO is about.": {(0, 1), (1, 0)},
        "Your pairs are (student view, teacher view). The teacher's comes first.": {
            (j, i) for i, j in all_pairs if i != j
        },
        "Your teacher sees all ten views. It sees the global ones only: its target should rest on "
        "the whole picture.": {(i, j) for i in range(10) for j in range(10) if i != j},
        "(0, 1) is there and (1, 0) is not. They are two pairs: either network may have seen "
        "either view.": {(i, j) for i, j in all_pairs if i < j},
        "You numbered the local views from 0. The student's views are one list, globals first: "
        "the first local view is view n_global.": {(i, j) for i in range(2) for j in range(8)},
        "You numbered the local views from 0 and skipped some. The student's views are one list, "
        "globals first: the first local view is view n_global.": {
            (i, j) for i in range(2) for j in range(8) if i != j
        },
        "Each teacher view has only one student view. It is compared with every view but its "
        "own.": {(0, 1), (1, 2)},
    }
    want = {(i, j) for i, j in all_pairs if i != j}
    for message, pairs in known.items():
        expect(set(got) != pairs, message)
    expect(
        set(got) == want,
        f"For 2 global and 8 local views you have {len(set(got))} pairs; expected 18. "
        + _difference(set(got), want),
    )
    expect(len(got) == len(want), "A pair stands there twice; each counts once.")
    for n_global, n_views in ((1, 4), (2, 2), (3, 5)):
        want = {(i, j) for i in range(n_global) for j in range(n_views) if i != j}
        got = _pairs(call(view_pairs, n_global, n_views))
        expect(
            set(got) == want and len(got) == len(want),
            f"view_pairs({n_global}, {n_views}) is not right, though view_pairs(2, 10) is. Is a "
            f"2, 8 or 10 written into your function? {_difference(set(got), want)}",
        )


def _pairs(got) -> list[tuple[int, int]]:
    try:
        return [(int(i), int(j)) for i, j in got]
    except (TypeError, ValueError):
        expect(
            False, "Return a list of pairs (teacher view, student view), such as [(0, 1), (1, 0)]."
        )


def _difference(got: set, want: set) -> str:
    missing, extra = sorted(want - got), sorted(got - want)
    said = [f"missing {missing[0]}"] if missing else []
    said += [f"too much {extra[0]}"] if extra else []
    return f"For example: {', '.join(said)}." if said else ""


# ---------------------------------------------------------------- the loss, plain


SAME_VIEW = (
    "You kept the pairs of a view with itself: {n} terms where there should be {m}. Skip them; "
    "the student would only learn to copy."
)
EPS = (
    "log(p + eps) puts a ceiling on the loss: a student that is more wrong pays no more, and its "
    "gradient is gone. Use log_softmax."
)


def _terms(q: Tensor, log_p: Tensor) -> Tensor:
    """H of every teacher view i with every student view j: (n_global, views, B)."""
    return -torch.einsum("ibk,jbk->ijb", q, log_p)


def _counted(terms: Tensor) -> Tensor:
    """(pairs, B): the pairs of different views."""
    n_global, views, _ = terms.shape
    return terms[torch.arange(n_global)[:, None] != torch.arange(views)]


def _loss(
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
    return _counted(_terms(q, log_p)).mean()


def _value_mistakes(
    s: Tensor, t: Tensor, c: Tensor, teacher_temp: float, student_temp: float
) -> dict[str, Tensor]:
    """Mistakes in what is compared: center, temperatures, softmax."""

    def loss(center=c, tt=teacher_temp, ts=student_temp, **kw) -> Tensor:
        return _loss(s, t, center, tt, ts, **kw)

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
        "teacher's logits only.": _loss(s - c, t, c, teacher_temp, student_temp),
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


def _plain_mistakes(
    s: Tensor, t: Tensor, c: Tensor, teacher_temp: float, student_temp: float
) -> dict[str, Tensor]:
    """Mistakes in which pairs are taken and how they are averaged, then in what is compared."""
    n_global, k = 2, s.shape[-1]
    batch = len(t) // n_global
    views = len(s) // batch
    q = ((t.double() - c.double()) / teacher_temp).softmax(-1).view(n_global, batch, k)
    log_p = (s.double() / student_temp).log_softmax(-1).view(views, batch, k)
    terms = _terms(q, log_p)
    counted = _counted(terms)
    n, want, a_pair = len(counted), counted.mean(), counted.mean(1)
    hard = F.one_hot(q.argmax(-1), k).double()
    squares = _counted((q[:, None] - log_p.exp()).square().sum(-1)).mean()
    mse = (
        "You took squared differences of the probabilities (MSE). DINO's loss is the "
        "cross-entropy; in the paper MSE costs 20 points of k-NN."
    )
    return {
        SAME_VIEW.format(n=n + n_global, m=n): terms.mean(),
        "You took the pairs of a view with *itself*; they are the ones to skip.": terms[
            [0, 1], [0, 1]
        ].mean(),
        f"You have the local student views only: {n_global * (views - n_global)} terms where "
        f"there should be {n}. The student's global views count too, against the teacher's other "
        "one.": terms[:, n_global:].mean(),
        f"You have the global views only: 2 terms where there should be {n}. The student's local "
        "views are compared with both teacher views.": terms[[0, 1], [1, 0]].mean(),
        "You added the pairs; the loss is their mean, or it grows with the number of views. "
        f"Divide by the number of pairs, {n}.": a_pair.sum(),
        "You added everything up; the loss is the mean over pairs and images. A sum grows with "
        "views and batch, and the learning rate would have to follow.": counted.sum(),
        "You averaged the pairs and added the images; the loss is the mean over both.": (
            counted.sum() / n
        ),
        f"You divided by the number of views, {views}. There are {n} pairs: divide by those.": (
            a_pair.sum() / views
        ),
        "You divided by the number of teacher views, 2. There are "
        f"{n} pairs: divide by those.": a_pair.sum() / n_global,
        f"You divided by {n + n_global}. You skip the pairs of a view with itself and still count "
        f"them: there are {n}.": a_pair.sum() / (n + n_global),
        "You averaged over the K prototypes. A cross-entropy is a sum over them; the mean is over "
        "pairs and images.": want / k,
        "The sign is turned round: log p is negative, and a cross-entropy is positive.": -want,
        "You returned KL(q || p). The loss is the cross-entropy, H(q) + KL(q || p).": want
        - _counted(torch.special.entr(q).sum(-1)[:, None].expand_as(terms)).mean(),
        "You read the rows image-major, all views of image 0 first. They are crop-major: "
        ".view(n_views, batch, K), not .view(batch, n_views, K).": _loss(
            s, t, c, teacher_temp, student_temp, layout="image-major"
        ),
        "You took the teacher's argmax for its target, and what the teacher knows about the "
        "runners-up is lost. The target is the whole distribution.": _counted(
            _terms(hard, log_p)
        ).mean(),
        mse: squares,
        f"{mse} (The mean over prototypes.)": squares / k,
        **_value_mistakes(s, t, c, teacher_temp, student_temp),
    }


@check("4.4", "the loss over the pairs")
def check_4_4(plain_loss):
    # By hand: temperatures 1/2 and 1/4 make q = (3/4, 1/4), (1/2, 1/2) and
    # p = (1/10, 9/10), (4/5, 1/5), (1/2, 1/2). Of the six pairs q0 p0 and q1 p1 do not count.
    log = math.log
    t = torch.tensor([[0.5 * log(3), 0.0], [0.0, 0.0]])
    s = torch.tensor([[0.0, 0.25 * log(9)], [0.25 * log(4), 0.0], [0.0, 0.0]])
    h01 = -(0.75 * log(0.8) + 0.25 * log(0.2))
    h10 = -(0.5 * log(0.1) + 0.5 * log(0.9))
    no_center = torch.zeros(1, 2)
    got = call(plain_loss, s, t, no_center, 0.5, 0.25)
    expect_tensor(got, (), "a scalar")
    expect(
        not got.isnan(),
        "For three views of one image you return nan, the mean of nothing. Is a number of views "
        "or images written into your function? Both follow from the shapes and n_global.",
    )
    expect_close(
        got,
        (h01 + log(2) + h10 + log(2)) / 4,
        _plain_mistakes(s, t, no_center, 0.5, 0.25),
        what="The loss of three views, worked by hand,",
    )
    batch, k = 3, 6
    s, t = torch.randn(10 * batch, k), torch.randn(2 * batch, k)
    c, tt, ts = torch.randn(1, k), 0.4, 0.15
    want, mistakes = _loss(s, t, c, tt, ts), _plain_mistakes(s, t, c, tt, ts)
    source, target = s.clone().requires_grad_(), t.clone().requires_grad_()
    got = call(plain_loss, source, target, c, tt, ts)
    expect_close(got, want, mistakes, what="The loss of 18 pairs")
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    (leak,) = torch.autograd.grad(got, target, allow_unused=True, retain_graph=True)
    expect(
        leak is None or not leak.any(),
        "Gradients flow into the teacher. Its target is a given: wrap it in torch.no_grad(), or "
        ".detach() it. Otherwise the teacher is trained to be easy to predict.",
    )
    one, three = torch.randn(8, k), torch.randn(15, k)
    written_in = (
        "You took n_global for 2. It is an argument: n_global teacher views of B rows each."
    )
    try:
        single = call(plain_loss, one, one[2:4], c, tt, ts, 1)
    except RuntimeError as error:
        raise Wrong(
            "With two global views your loss is right; with one among four your function raises "
            f'"{error}". Is a 2 written in where n_global belongs?'
        ) from None
    expect_close(
        single,
        _loss(one, one[2:4], c, tt, ts, 1),
        {written_in: _loss(one, one[2:4], c, tt, ts, 2)},
        what="With one global view among four, the loss",
    )
    expect_close(
        call(plain_loss, three, three[3:12], c, tt, ts, 3),
        _loss(three, three[3:12], c, tt, ts, 3),
        what="With three global views among five, the loss",
    )
    far = call(plain_loss, 30 * one, one[:4], c, tt, 0.1)
    expect(
        torch.isfinite(far),
        "Where the student gives a prototype almost nothing, your loss is inf or nan: "
        "log(softmax(x)) takes the log of 0. Use log_softmax, which never leaves the logarithm.",
    )
    near = call(plain_loss, 10 * one, one[:4], c, tt, 0.1)
    expect(far > 2 * near, EPS)  # three times as wrong, all but three times the loss
    expect_close(far, _loss(30 * one, one[:4], c, tt, 0.1), what="With large scores the loss")
    expect_any_device(plain_loss, s, t, c, tt, ts)


# ---------------------------------------------------------------- the loss, lean


def _lean_mistakes(s: Tensor, q: Tensor) -> dict[str, Tensor]:
    s, q = s.double(), q.double()
    (n_global, batch, _), views = q.shape, len(s)
    log_z, q_sum = s.logsumexp(-1), q.sum(0)
    terms = _terms(q, s.log_softmax(-1))
    counted = _counted(terms)
    want, pairs, rows = counted.mean(), len(counted), counted.numel()
    n = torch.full((views, 1), float(n_global)).double()
    n[:n_global] -= 1
    every_dot = (s * q_sum).sum()
    dot = every_dot - (s[:n_global] * q).sum()
    return {
        SAME_VIEW.format(n=pairs + n_global, m=pairs): terms.mean(),
        "A view's own target is not taken away, neither from the sum nor from the count: these "
        f"are {pairs + n_global} terms, divided by {pairs}.": terms.sum() / rows,
        "The teacher's own view is not subtracted from the summed targets: view i < n_global is "
        "scored against q_sum - q[i].": ((n * log_z).sum() - every_dot) / rows,
        "A global view is scored against its own target, the one that it must not see: take "
        "q_sum - q[i], the others.": (
            (n * log_z).sum() - (s[n_global:] * q_sum).sum() - (s[:n_global] * q).sum()
        )
        / rows,
        "The count of targets is wrong: a global view has one target less than a local one, so "
        "its logsumexp counts n_global - 1 times.": (n_global * log_z.sum() - dot) / rows,
        "The count of targets is wrong: each logsumexp counts as often as the view has targets, "
        "n_global times for a local view. You counted it once.": (log_z.sum() - dot) / rows,
        "You averaged the targets; in the product they are summed, one for each pair.": (
            (n * log_z).sum() - dot / n_global
        )
        / rows,
        "You have the local views only; the student's global views count too, each against the "
        "teacher's other one.": terms[:, n_global:].mean(),
        f"You divided by n_global * views = {n_global * views}. The pairs that count are "
        f"n_global * (views - 1) = {pairs}.": counted.sum() / (batch * n_global * views),
        f"You divided by the number of views, {views}, in place of the number of pairs, "
        f"{pairs}.": counted.sum() / (batch * views),
        "You returned the sum; the loss is the mean over pairs and images.": counted.sum(),
        "You divided by the number of pairs and not by the batch: the loss is a mean over the "
        "images too.": counted.sum() / pairs,
        "You divided by the batch, and not by the number of pairs.": counted.sum() / batch,
        "The sign is turned round: it is logsumexp(s) - <q, s>.": -want,
        "You left the logsumexp out. Without it a student lowers the loss by raising all its "
        "scores.": -dot / rows,
        "You divided by the temperature a second time: `student` comes divided.": _counted(
            _terms(q, (s / 0.1).log_softmax(-1))
        ).mean(),
        "You took the logsumexp over the views. It belongs to a row's softmax, over prototypes: "
        "dim=-1.": _counted(_terms(q, s.log_softmax(0))).mean(),
    }


@check("4.5", "the lean form")
def check_4_5(lean_loss):
    # By hand: p = (1/2, 1/2), (3/4, 1/4), (1/4, 3/4); both targets are prototype 0.
    log = math.log
    s = torch.tensor([[[0.0, 0.0]], [[log(3), 0.0]], [[0.0, log(3)]]])
    q = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    got = call(lean_loss, s, q)
    expect_tensor(got, (), "a scalar")
    expect_close(
        got,
        -(log(3 / 4) + log(1 / 4) + log(1 / 2) + log(1 / 4)) / 4,
        _lean_mistakes(s, q),
        what="The loss of three views, worked by hand,",
    )
    k = 7
    s, q = 3 * torch.randn(10, 3, k), (2 * torch.randn(2, 3, k)).softmax(-1)
    source = s.clone().requires_grad_()
    kept: dict[int, Tensor] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.detach()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        got = call(lean_loss, source, q)
    plain = s.double().requires_grad_()
    want = _counted(_terms(q.double(), plain.log_softmax(-1))).mean()
    expect_close(got, want.detach(), _lean_mistakes(s, q), what="The loss of 18 pairs")
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    (want_gradient,) = torch.autograd.grad(want, plain)
    (gradient,) = torch.autograd.grad(got, source)
    expect_close(gradient, want_gradient, what="The value is right; the gradient")
    expect(
        torch.isfinite(call(lean_loss, 1e4 * s, q)),
        "Large scores give inf or nan: exp overflows. torch.logsumexp takes the largest away "
        "first.",
    )
    kept.pop(source.untyped_storage().data_ptr(), None)
    expect(
        not any(_is_log_prob(x, k) for x in kept.values()),
        "The value is right, but log-probabilities are written out and kept for the backward "
        "pass: log_softmax, or cross_entropy, which calls it. The lean form needs none: "
        "torch.logsumexp(s, -1) is a number a row.",
    )
    expect(
        not any(x.numel() >= s.numel() for x in kept.values()),
        "The value is right, but a second tensor as large as the student's logits is kept for the "
        "backward pass. Use torch.logsumexp for the first part; and for the second one target, "
        "the sum, for all local views together, not a copy for each.",
    )
    s, q = torch.randn(5, 2, k), torch.randn(3, 2, k).softmax(-1)
    expect_close(
        call(lean_loss, s, q),
        _counted(_terms(q.double(), s.double().log_softmax(-1))).mean(),
        what="With three global views among five (2 targets for a global view), the loss",
    )
    expect_any_device(lean_loss, s, q)


def _is_log_prob(x: Tensor, k: int) -> bool:
    """Whether every row of ``x`` is the logarithm of a distribution over k prototypes."""
    if not x.is_floating_point() or x.ndim == 0 or x.shape[-1] != k:
        return False
    return close(x.double().logsumexp(-1), torch.zeros(x.shape[:-1]), 1e-4)


# ---------------------------------------------------------------- loss, then center


@check("4.6", "the loss, and then the center")
def check_4_6(centered_loss):
    k, batch, views, m, tt, ts = 6, 3, 4, 0.8, 0.4, 0.25
    layer = call(centered_loss, k, student_temp=ts, center_momentum=m)
    expect(isinstance(layer, nn.Module), "The class should be an nn.Module.")
    expect(
        isinstance(getattr(layer, "center", None), Tensor),
        "Your object has no tensor `center`. Make one in __init__.",
    )
    expect(
        "center" not in dict(layer.named_parameters()),
        "The center is a parameter, so it is handed to the optimizer, and counted and frozen with "
        "the weights. It is a statistic: register_buffer.",
    )
    expect(
        "center" in dict(layer.named_buffers()),
        "The center is a plain attribute: it is not saved with the module and does not go along "
        "in .to(device). A tensor that belongs to a module but is not trained is a buffer: "
        "self.register_buffer(name, tensor).",
    )
    expect(
        "center" in layer.state_dict(),
        "The center is a buffer, but not a persistent one, so it is missing in state_dict(). "
        "A run that is resumed would start with a center of 0 and a jump in the loss.",
    )
    expect_close(
        layer.center, torch.zeros(1, k), names="(1, out_dim)", what="The center at the start"
    )

    s, t = torch.randn(views * batch, k), torch.randn(2 * batch, k) + torch.linspace(-1, 2, k)
    c = torch.randn(1, k)

    def fresh() -> nn.Module:
        made = centered_loss(k, student_temp=ts, center_momentum=m)
        with torch.no_grad():
            made.center.copy_(c)
        return made

    layer, source, target = fresh(), s.clone().requires_grad_(), t.clone().requires_grad_()
    got = call(layer, source, target, tt)
    mean = t.mean(0, keepdim=True)
    moved = m * c + (1 - m) * mean
    early = {
        "The center was updated before it was used. The loss uses the center from before this "
        "step; else each batch is centred partly on itself.": _loss(s, t, moved, tt, ts),
        "You centred on this batch's mean alone. The loss uses the running center, from before "
        "this step.": _loss(s, t, mean, tt, ts),
        "student_temp is fixed at 0.1 in your class. Use the one given to __init__.": _loss(
            s, t, c, tt, 0.1
        ),
    }
    all_terms = _terms(
        ((t.double() - c.double()) / tt).softmax(-1).view(2, batch, k),
        (s.double() / ts).log_softmax(-1).view(views, batch, k),
    )
    early |= {
        SAME_VIEW.format(n=8, m=6): all_terms.mean(),
        "You read the rows image-major. They are crop-major: .view(-1, batch, K).": _loss(
            s, t, c, tt, ts, layout="image-major"
        ),
    }
    expect_close(
        got,
        _loss(s, t, c, tt, ts),
        early | _value_mistakes(s, t, c, tt, ts),
        what="The loss of a training step",
    )
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    (leak,) = torch.autograd.grad(got, target, allow_unused=True, retain_graph=True)
    expect(
        leak is None or not leak.any(),
        "Gradients flow into the teacher. Its target is a given: compute it under "
        "torch.no_grad(), or .detach() it.",
    )
    expect(
        not layer.center.requires_grad,
        "The center carries gradients, and with them every earlier batch's graph. Update it under "
        "torch.no_grad(), or from teacher_logits.detach().",
    )

    def after(value: Tensor) -> Tensor:
        return m * c + (1 - m) * value

    q = ((t - c) / tt).softmax(-1)
    expect_close(
        layer.center,
        moved,
        {
            "The center did not move. In training mode each step ends with its update: "
            "momentum * center + (1 - momentum) * mean. (Does it go to self.center?)": c,
            "Old and new are swapped: a momentum of 0.9 keeps nine tenths of the old center.": (
                (1 - m) * c + m * mean
            ),
            "The center was updated with probabilities, after the softmax. It is a mean of *raw* "
            "teacher logits: no center, no temperature, no softmax.": after(q.mean(0, True)),
            "The center was updated with softmax(logits). It is a mean of *raw* teacher logits, "
            "without a softmax.": after(t.softmax(-1).mean(0, True)),
            "The center was updated with softmax(logits / temperature). It is a mean of *raw* "
            "teacher logits.": after((t / tt).softmax(-1).mean(0, True)),
            "The center was updated with logits over the temperature. It is a mean of *raw* "
            "teacher logits, in whose world it is subtracted.": after(mean / tt),
            "The center was updated with the centred logits, so it tends to half of the mean. It "
            "is a mean of *raw* teacher logits.": after(mean - c),
            "The center was updated with the centred logits over their temperature. It is a mean "
            "of *raw* teacher logits.": after((mean - c) / tt),
            "The center follows the student's logits. It is the teacher that is centred: use "
            "teacher_logits.": after(s.mean(0, True)),
            "The center took in the sum over the rows; it should be their mean.": after(
                t.sum(0, True)
            ),
            "The center took in the first teacher view only. The mean is over all rows, both "
            "views.": after(t[:batch].mean(0, True)),
            "The center is this batch's mean alone: it has no memory.": mean,
            "The center was updated with a momentum of 0.9, whatever center_momentum says.": (
                0.9 * c + 0.1 * mean
            ),
            "The center was updated twice in one step.": m * moved + (1 - m) * mean,
            "You averaged over the prototypes. The center has one entry per prototype: average "
            "over the rows, dim 0.": after(t.mean()),
        },
        names="(1, out_dim)",
        what="The center after a step",
    )
    expect(
        "center" in layer.state_dict(),
        "After a step the center is no longer a buffer. Keep it in self.center, as registered.",
    )
    second = call(layer, source, target, tt)
    expect_close(
        second,
        _loss(s, t, moved, tt, ts),
        {
            "The second step's loss does not use the updated center.": _loss(s, t, c, tt, ts),
        },
        what="The loss of a second step",
    )
    (got + second).backward()

    layer = fresh().eval()
    quiet = call(layer, s, t, tt)
    expect(
        close(layer.center, c),
        "The center was updated during evaluation (after .eval()). Measuring must not change the "
        "model: update it only if self.training.",
    )
    expect_close(quiet, _loss(s, t, c, tt, ts), what="The loss in evaluation mode")
    layer = fresh()
    with torch.no_grad():
        call(layer, s, t, tt)
    expect_close(
        layer.center, moved, {"Under torch.no_grad() the center stays. It moves in training mode "
        "(self.training), which is another switch.": c}, what="The center after a step"
    )  # fmt: skip
