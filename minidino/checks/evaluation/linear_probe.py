"""Exercise 8.3, a linear probe: tells apart features that are standardised otherwise or not frozen,
another optimizer, rate, loss or start, and results that are not logits.
"""

import contextlib
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, close, expect
from minidino.checks.evaluation.common import unit
from minidino.checks.mistakes import Table

TOLERANCE = 1e-3  # the deviation of n numbers is divided by n or by n - 1, and both are right


def _standard(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    return (x - x.mean(0)) / x.std(0), (t - x.mean(0)) / x.std(0)


def _cosine(s: int, steps: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * s / steps))


def _softmax_error(z: Tensor, target: Tensor) -> Tensor:
    """The gradient of the loss by the logits, times the number of images."""
    return z.softmax(1) - target


def _through_softmax(error: Callable) -> Callable:
    """Of a loss that was given probabilities where ``error`` knows what it makes of its input."""

    def through(z: Tensor, target: Tensor) -> Tensor:
        p = z.softmax(1)
        e = error(p, target)
        return p * (e - (p * e).sum(1, keepdim=True))

    return through


class _SGD:
    """torch.optim.SGD's rule, of one tensor."""

    def __init__(self, weights: Tensor, momentum=0.9, dampening=0.0, decay=0.0, nesterov=False):
        self.weights, self.velocity = weights, None
        self.momentum, self.dampening, self.decay = momentum, dampening, decay
        self.nesterov = nesterov

    def step(self, gradient: Tensor, rate: float) -> None:
        g = gradient + self.decay * self.weights
        if self.velocity is None:
            self.velocity = g.clone()
        else:
            self.velocity = self.momentum * self.velocity + (1 - self.dampening) * g
        ahead = g + self.momentum * self.velocity
        self.weights -= rate * (ahead if self.nesterov else self.velocity)


class _Late(_SGD):
    """Each step by the gradient of the one before."""

    before: Tensor | None = None

    def step(self, gradient: Tensor, rate: float) -> None:
        if self.before is not None:
            super().step(self.before, rate)
        self.before = gradient


class _Other:
    """One of torch.optim's."""

    def __init__(self, weights: Tensor, kind: str):
        self.weights, self.optimizer = weights, getattr(torch.optim, kind)([weights])

    def step(self, gradient: Tensor, rate: float) -> None:
        self.weights.grad = gradient
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()


def _sgd(**options):
    return lambda weights: _SGD(weights, **options)


def _probe(
    standard: Callable = _standard,
    schedule: Callable[[int, int], float] = _cosine,
    error: Callable = _softmax_error,
    optimizer: Callable = _sgd(),  # noqa: B008
    total: bool = False,
    accumulate: bool = False,
    bias: bool = True,
    more_steps: int = 0,
    start: Tensor | None = None,
):
    """A probe made of these pieces, with the softmax's gradient written out."""

    def fit(x, y, test, rate, steps):
        x, test = standard(x.double(), test.double())
        x, test = (torch.cat([v, torch.full((len(v), 1), float(bias))], 1) for v in (x, test))
        target = torch.eye(int(y.max()) + 1).double()[y]
        w = torch.zeros(x.shape[1], target.shape[1]).double() if start is None else start.clone()
        updates, kept = optimizer(w), torch.zeros_like(w)
        for step in range(steps + more_steps):
            gradient = x.T @ error(x @ w, target) / (1 if total else len(x))
            kept = kept + gradient if accumulate else gradient
            updates.step(kept, rate * schedule(step, steps))
        return test @ w

    return fit


def _by(mean: Callable, std: Callable) -> Callable:
    """Both parts less the same mean, over the same deviation, of (x, t)."""

    def standard(x, t):
        m, s = mean(x, t), std(x, t)
        return (x - m) / s, (t - m) / s

    return standard


def _each(f: Callable) -> Callable:
    return lambda x, t: (f(x), f(t))


def _both(f: Callable) -> Callable:
    """Of training and test features together."""
    return lambda x, t: f(torch.cat([x, t]))


def _mean(x, t=None):
    return x.mean(0)


def _std(x, t=None):
    return x.std(0)


STANDARDS = {
    "You standardised the test features with the *test* set's mean and standard deviation. A test "
    "image is judged alone, by what was known before it came: use those of the training "
    "features.": lambda x, t: (_standard(x, x)[0], _standard(t, t)[0]),
    "The mean and standard deviation are of training and test features together. The test set must "
    "take no part: use those of the training features.": _by(_both(_mean), _both(_std)),
    "The training features, too, are standardised with the *test* set's mean and standard "
    "deviation. Both take those of the training features.": lambda x, t: _standard(t, x)[::-1],
    "Mean and standard deviation are swapped between the sets: the training features have the test "
    "set's, the test features their own training's.": lambda x, t: (
        _standard(t, x)[1],
        _standard(x, t)[1],
    ),
    "You standardised the training features but not the test features. The probe has never seen "
    "numbers like those.": lambda x, t: (_standard(x, x)[0], t),
    "You standardised the test features but not the training features. Both, with the training "
    "features' numbers.": lambda x, t: (x, _standard(x, t)[1]),
    "You did not standardise. Features of different models have different scales, and one learning "
    "rate could not serve them all.": lambda x, t: (x, t),
    "You took the mean away but did not divide by the standard deviation.": _by(
        _mean, lambda x, t: 1.0
    ),
    "You divided by the standard deviation but did not take the mean away.": _by(
        lambda x, t: 0.0, _std
    ),
    "You divided by the variance; its root, the standard deviation, is asked for.": _by(
        _mean, lambda x, t: x.var(0)
    ),
    "You divided by the length of a feature's column (norm), which grows with the number of "
    "images. Its standard deviation is asked for.": _by(_mean, lambda x, t: x.norm(dim=0)),
    "You multiplied by the standard deviation. Divide.": _by(_mean, lambda x, t: 1 / x.std(0)),
    "You divided by the root of the standard deviation. It is the root of the variance itself.": (
        _by(_mean, lambda x, t: x.std(0).sqrt())
    ),
    "You brought each feature to 0..1 by its smallest and largest value. (z - mean) / standard "
    "deviation is asked for.": _by(lambda x, t: x.amin(0), lambda x, t: x.amax(0) - x.amin(0)),
    "You took the mean of the test features and the deviation of the training features. Both are "
    "the training features'.": lambda x, t: (_standard(x, x)[0], (t - t.mean(0)) / x.std(0)),
    "You took the mean of the training features and the deviation of the test features. Both are "
    "the training features'.": lambda x, t: (_standard(x, x)[0], (t - x.mean(0)) / t.std(0)),
    "You took the median for the mean.": _by(lambda x, t: x.median(0).values, _std),
    "You standardised each image over its own features (dim 1). Each feature has a mean over the "
    "training images: dim=0.": _each(
        lambda v: (v - v.mean(1, keepdim=True)) / v.std(1, keepdim=True)
    ),
    "One mean and one standard deviation for all features. Each feature has its own: dim=0, or a "
    "few large ones drown the rest.": _by(lambda x, t: x.mean(), lambda x, t: x.std()),
    "One standard deviation for all features. Each has its own: dim=0.": _by(
        _mean, lambda x, t: x.std()
    ),
    "You brought the features to length 1 first. That is k-NN's business; the probe takes them as "
    "they come, standardised.": lambda x, t: _standard(unit(x), unit(t)),
    "You brought the features to length 1. That is k-NN's business; the probe takes them as they "
    "come, standardised.": _each(unit),
    "You brought the standardised features to length 1. That is k-NN's business.": (
        lambda x, t: tuple(map(unit, _standard(x, t)))
    ),
    **{
        f"The standard deviation is held above {low:g}, and smaller features come out smaller. A "
        "number that small features do not notice: clamp(min=1e-6).": _by(
            _mean, lambda x, t, low=low: x.std(0).clamp(min=low)
        )
        for low in (0.5, 1.0)
    },
    **{
        f"{eps:g} is added to the standard deviation (or to the variance), and a small feature "
        "comes out smaller. A number that small features do not notice, 1e-6, or a clamp.": _by(
            _mean, lambda x, t, eps=eps: x.std(0) + eps
        )
        for eps in (1e-2, 1e-1, 1.0)
    },
}
SCHEDULES = {
    "Your learning rate is 0 in the last step already. At step s of S it is rate * (1 + cos(pi s "
    "/ S)) / 2, with s from 0 to S - 1.": lambda s, n: _cosine(s, n - 1),
    "Your learning rate stays the same to the end. It should fall to 0 by a cosine: rate * (1 "
    "+ cos(pi step / steps)) / 2.": lambda s, n: 1.0,
    "Your learning rate moves before the first step is made. Step 0 has the full rate: "
    "optimizer.step() first, then scheduler.step().": lambda s, n: _cosine(s + 1, n),
    "Your learning rate falls in a straight line; it should fall by a cosine.": (
        lambda s, n: 1 - s / n
    ),
    "Your learning rate falls in a straight line, to 0 in the last step; it should fall by a "
    "cosine.": lambda s, n: 1 - s / (n - 1),
    "Your first rate is half of learning_rate. rate * (1 + cos(...)) / 2 begins at the whole.": (
        lambda s, n: _cosine(s, n) / 2
    ),
    "The half is missing: your first rate is twice learning_rate. rate * (1 + cos(...)) / 2.": (
        lambda s, n: 2 * _cosine(s, n)
    ),
    "The 1 is missing: cos(pi s / S) alone falls to -1, and the probe climbs in the end. rate * "
    "(1 + cos(...)) / 2.": lambda s, n: math.cos(math.pi * s / n),
    "The 1 is missing, and half the cosine falls to -1/2: rate * (1 + cos(pi s / S)) / 2.": (
        lambda s, n: math.cos(math.pi * s / n) / 2
    ),
    "Your rate falls by a quarter of a cosine's wave, cos(pi s / 2S). Half a wave is asked "
    "for: rate * (1 + cos(pi s / S)) / 2.": lambda s, n: math.cos(math.pi * s / n / 2),
    "Your rate goes half the way only: (1 + cos(pi s / 2S)) / 2 ends at one half. T_max is "
    "steps.": lambda s, n: _cosine(s, 2 * n),
    "pi is missing in the cosine.": lambda s, n: 0.5 * (1 + math.cos(s / n)),
    "The cosine is of degrees (180 s / S); it takes radians, pi s / S.": (
        lambda s, n: 0.5 * (1 + math.cos(180 * s / n))
    ),
    "Your rate rises from 0. It starts at learning_rate and falls: 1 + cos, not 1 - cos.": (
        lambda s, n: 1 - _cosine(s, n)
    ),
    "scheduler.step() is called twice a step: the rate is 0 half way, and rises again.": (
        lambda s, n: _cosine(2 * s, n)
    ),
    "Each step's cosine multiplies the rate that the last step left, not learning_rate.": (
        lambda s, n: math.prod(_cosine(i, n) for i in range(s + 1))
    ),
    "Your rate falls by a sine. rate * (1 + cos(pi s / S)) / 2.": (
        lambda s, n: math.sin(math.pi * s / n)
    ),
    "The rate starts anew half way (warm restarts). It falls to 0 once, at the end.": (
        lambda s, n: _cosine(s % (n // 2), n // 2)
    ),
    "The cosine's length is steps + 1. T_max is steps.": lambda s, n: _cosine(s, n + 1),
    **{
        f"The rate falls to {low:g} of what it was (eta_min); it falls to 0.": (
            lambda s, n, low=low: low + (1 - low) * _cosine(s, n)
        )
        for low in (0.01, 0.1)
    },
    **{
        f"The rate shrinks by a factor of {q} each step. It should fall by a cosine.": (
            lambda s, n, q=q: q**s
        )
        for q in (0.9, 0.95, 0.99)
    },
    **{
        f"The rate starts anew every {period} steps (warm restarts). It falls to 0 once, at the "
        "end: T = steps.": lambda s, n, period=period: _cosine(s % period, period)
        for period in (2, 3, 5, 10)
    },
    **{
        f"The cosine's length is {length}, whatever `steps` is. T_max is steps.": (
            lambda s, n, length=length: _cosine(s, length)
        )
        for length in (10, 20, 50, 100, 200)
    },
}
ERRORS = {
    "You gave the cross-entropy probabilities. F.cross_entropy takes the softmax itself: give it "
    "the logits.": _through_softmax(_softmax_error),
    "The loss is a mean squared error. The cross-entropy of the logits is asked for.": (
        lambda z, target: 2 * (z - target) / z.shape[1]
    ),
    "The loss is a mean squared error of probabilities. The cross-entropy of the logits is asked "
    "for.": _through_softmax(lambda p, target: 2 * (p - target) / p.shape[1]),
    "The loss is a binary cross-entropy: a sigmoid for each class on its own. F.cross_entropy's "
    "softmax weighs them against each other.": (
        lambda z, target: (z.sigmoid() - target) / z.shape[1]
    ),
    "F.nll_loss was given logits; it expects log-probabilities: log_softmax first, or "
    "F.cross_entropy.": lambda z, target: -target,
    "F.nll_loss was given probabilities, without the logarithm: log_softmax, or F.cross_entropy.": (
        _through_softmax(lambda p, target: -target)
    ),
    "The sign of the loss is turned round: it climbs.": lambda z, target: target - z.softmax(1),
    "The loss is averaged over images *and* classes. F.cross_entropy's mean is over images.": (
        lambda z, target: (z.softmax(1) - target) / z.shape[1]
    ),
    "The labels are smoothed (0.1). The plain cross-entropy is asked for.": (
        lambda z, target: z.softmax(1) - 0.9 * target - 0.1 / z.shape[1]
    ),
    "The classes are weighted by how rare they are. The plain cross-entropy is asked for.": (
        lambda z, target: (
            (z.softmax(1) - target)
            * (target / target.sum(0)).sum(1, keepdim=True)
            * len(z)
            / z.shape[1]
        )
    ),
}
OPTIMIZERS = {
    "There is no momentum; it should be 0.9.": _sgd(momentum=0.0),
    "optimizer.step() stands before loss.backward(): each step takes the gradient of the one "
    "before. Backward first.": _Late,
    "Nesterov's momentum looks ahead. The plain one is asked for: momentum=0.9 alone.": _sgd(
        nesterov=True
    ),
    "The new gradient counts a tenth only (dampening, or a moving average of gradients). "
    "PyTorch's momentum adds it in full: v = 0.9 v + g.": _sgd(dampening=0.9),
    **{
        f"This is {kind}. The probe is trained by SGD with momentum 0.9.": (
            lambda w, kind=kind: _Other(w, kind)
        )
        for kind in ("Adam", "AdamW", "NAdam", "RMSprop", "Adagrad")
    },
    **{
        f"The momentum is {m}; it should be 0.9.": _sgd(momentum=m)
        for m in (0.1, 0.5, 0.8, 0.95, 0.99, 0.999)
    },
    **{
        f"The weights decay ({decay:g}). The probe has no weight decay.": _sgd(decay=decay)
        for decay in (1e-4, 5e-4, 1e-3, 1e-2, 0.04, 0.05, 0.1)
    },
}
ZEROS = (
    "All logits are 0: nothing was trained. Each step is zero_grad(), backward(), "
    "optimizer.step(); the optimizer holds the parameters of the very layer that is used, and "
    "nothing (a relu, a detach) stands between its logits and the loss."
)


def _mistakes() -> Table:
    table = {m: _probe(piece) for m, piece in STANDARDS.items()}
    table |= {m: _probe(schedule=piece) for m, piece in SCHEDULES.items()}
    table |= {m: _probe(error=piece) for m, piece in ERRORS.items()}
    table |= {m: _probe(optimizer=piece) for m, piece in OPTIMIZERS.items()}
    right = _probe()

    def size(*classes):
        return lambda x, y, t, *_: torch.Size((len(t), *classes))

    return table | {
        "There is no bias: logits = W^T (z - mu) / sigma + b, and b is trained, too.": _probe(
            bias=False
        ),
        "Gradients of all steps add up: optimizer.zero_grad() is missing before backward().": (
            _probe(accumulate=True)
        ),
        "Your loss is the sum over the images; it should be their mean, or the learning rate would "
        "depend on how many there are.": _probe(total=True),
        "You made one step too few: there should be `steps` of them.": _probe(more_steps=-1),
        "No momentum, and a rate that stays the same: SGD has momentum 0.9, and the rate falls by "
        "a cosine.": _probe(optimizer=_sgd(momentum=0.0), schedule=lambda s, n: 1.0),
        "These are probabilities; return the logits, before the softmax.": (
            lambda *given: right(*given).softmax(1)
        ),
        "These are log-probabilities; return the logits, before the softmax.": (
            lambda *given: right(*given).log_softmax(1)
        ),
        "The bias is trained and not used for the test features: W^T (z - mu) / sigma + b.": (
            lambda x, y, t, *rest: right(x, y, t, *rest) - right(x, y, x.mean(0)[None], *rest)
        ),
        "These are logits of the first M *training* features. Return those of the test features.": (
            lambda x, y, t, *rest: right(x, y, x[: len(t)], *rest)
        ),
        "These are logits of the training features. Return those of the test features.": (
            lambda x, y, t, *_: torch.Size((len(x), int(y.max()) + 1))
        ),
        "You returned labels; here the logits are asked for, (M, C).": size(),
        "Ten classes are written in. C is the largest label plus 1.": size(10),
        "C is one too small: labels count from 0, and the largest plus 1 is their number.": (
            lambda x, y, t, *_: torch.Size((len(t), int(y.max())))
        ),
    }


def _case(n: int, m: int, dim: int, classes: int, rate: float, steps: int) -> tuple:
    """Features of other scales and places; the test features are not drawn as these are."""
    centers = torch.randn(classes, dim)
    y = torch.randint(0, 2 * classes + 1, (n,)) % classes  # some classes more often
    scale, shift = 0.1 * 90 ** torch.linspace(0, 1, dim), torch.randn(dim)
    few = torch.randint(0, 2, (m,))
    x, t = ((centers[v] + 1.2 * torch.randn(len(v), dim)) * scale + shift for v in (y, few))
    return x, y, t, rate, steps


@check("8.3", "a linear probe")
def check_8_3(fit_probe):
    cases = [_case(1200, 300, 6, 4, 2.0, 14), _case(1100, 250, 5, 3, 0.2, 7)]
    mistakes = _mistakes()
    what = "The matrix of test logits"
    try:
        compare(fit_probe, cases, _probe(), mistakes, "(M, C)", what, TOLERANCE)
    except Wrong as error:
        if str(error) not in mistakes:
            _expect_sound(fit_probe, cases)
        raise
    x, y, t, rate, steps = (v[:60] if isinstance(v, Tensor) else v for v in cases[0])
    got = call(fit_probe, x, y, t, rate, steps)
    expect(
        not got.requires_grad,
        "The logits carry a graph; a result to be kept should not. detach() it.",
    )
    source, test_source = x.clone().requires_grad_(), t.clone().requires_grad_()
    leak = (
        "Gradients flow into the features, and through them into the backbone: that is "
        "fine-tuning, and the features are no longer frozen. detach() them first."
    )
    try:
        through = call(fit_probe, source, y, test_source, rate, steps)
    except RuntimeError as error:
        # The graph above the loop is used by every step, and freed by the first.
        if "backward through the graph a second time" not in str(error):
            raise
        raise Wrong(leak) from None
    expect(source.grad is None and test_source.grad is None, leak)
    expect(
        not through.requires_grad,
        "The logits carry the graph of the features you were given. detach() the result, or both "
        "features at the start.",
    )
    # A feature that is 0 in every image, as a box of colours may be, changes nothing.
    x, t = (torch.cat([v, torch.zeros(len(v), 1)], dim=1) for v in (x, t))
    got_with = call(fit_probe, x, y, t, rate, steps)
    expect(
        close(got_with, got),
        "A feature that is 0 in every image should change nothing, but its standard deviation is 0 "
        "and yours becomes 0 / 0. Divide by a small number there: std.clamp(min=1e-6).",
    )


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """The order in which backward, step and zero_grad are called."""
    events: list[str] = []
    backward, zero_grad = Tensor.backward, torch.optim.Optimizer.zero_grad

    def on(name, method):
        def heard(self, *args, **kwargs):
            events.append(name)
            return method(self, *args, **kwargs)

        return heard

    hook = register_optimizer_step_pre_hook(lambda *_: events.append("optimizer.step()"))
    Tensor.backward = on("backward()", backward)
    torch.optim.Optimizer.zero_grad = on("zero_grad()", zero_grad)
    try:
        yield events
    finally:
        Tensor.backward, torch.optim.Optimizer.zero_grad = backward, zero_grad
        hook.remove()


def _expect_sound(fit_probe, cases: list[tuple]) -> None:
    """Of an answer that no known mistake explains: what does its result depend on?"""

    def ask(case, **other) -> Tensor:
        given = dict(zip(("x", "y", "t", "rate", "steps"), case, strict=True)) | other
        got = call(fit_probe, *given.values())
        expect(isinstance(got, Tensor), f"Return a tensor; yours is a {type(got).__name__}.")
        return got.detach()

    def same(a: Tensor, b: Tensor) -> bool:
        return close(a, b, 1e-3)

    def in_all(holds: Callable[[tuple], bool], message: str) -> None:
        expect(not all(holds(case) for case in cases), message)

    shapes = [(len(case[2]), int(case[1].max()) + 1) for case in cases]
    if [tuple(ask(case).shape) for case in cases] != shapes:
        return  # compare() tells the shape
    expect(
        all(ask(case).isfinite().all() for case in cases),
        "Your logits are nan or inf. Is there a logarithm of raw scores (F.cross_entropy takes the "
        "logits themselves), or a division by 0?",
    )
    if all(not ask(case).any() for case in cases):
        with _heard() as events:
            ask(cases[0])
        for name in ("backward()", "optimizer.step()"):
            expect(name in events, f"All logits are 0: {name} is never called.")
        at = [events.index("backward()"), events.index("optimizer.step()")]
        expect(
            "zero_grad()" not in events[at[0] : at[1]],
            "All logits are 0: zero_grad() comes between backward() and optimizer.step(), and "
            "throws away what was just computed. zero_grad() first.",
        )
        raise Wrong(ZEROS)
    in_all(
        lambda case: same(ask(case), ask(case, rate=3 * case[3])),
        "Your result is the same whatever learning_rate is: it is not used (another solver?). SGD "
        "with momentum 0.9, from this rate down to 0.",
    )
    in_all(
        lambda case: same(ask(case), ask(case, steps=case[4] + 7)),
        "Your result is the same whatever `steps` is: the number of steps is not used.",
    )
    if all(ask(case, rate=0.0, steps=1).any() for case in cases):
        _expect_one_layer(ask, cases)
    in_all(
        lambda case: not same(ask(case), ask(case)),
        "The same call gives another result each time. Every step uses *all* the training "
        "features, and nothing is drawn: no shuffled mini-batches, no dropout.",
    )

    def hangs_on_order(case: tuple) -> bool:
        order = torch.randperm(len(case[0]))
        return not same(ask(case), ask(case, x=case[0][order], y=case[1][order]))

    in_all(
        hangs_on_order,
        "Your result depends on the *order* of the training images: a step sees a part of them "
        "(mini-batches, the first so many). Every step uses all the training features.",
    )
    in_all(
        lambda case: not same(ask(case)[:9], ask(case, t=case[2][:9])),
        "What you say of a test image depends on the *other test images*. It is judged alone: "
        "mean, deviation and weights are learned from the training features.",
    )
    made = []
    for case in cases:
        with _heard() as events:
            ask(case)
        made.append(events.count("optimizer.step()"))
    expect(
        not all(made) or any(n == case[4] for n, case in zip(made, cases, strict=True)),
        f"optimizer.step() is called {made[0]} times where `steps` is {cases[0][4]}.",
    )


def _expect_one_layer(ask, cases: list[tuple]) -> None:
    """Wrong, of weights that do not start at 0; is that all?"""
    random = (
        "At a learning rate of 0 your logits are not 0: the weights do not start at 0 (nn.Linear's "
        "are random numbers). Start weight and bias at 0, and the result is the same each time."
    )
    for case in cases:
        x, _, t, *_ = case
        torch.default_generator.manual_seed(3)
        first = ask(case, rate=0.0).double()
        torch.default_generator.manual_seed(3)
        got = ask(case)
        rows = torch.cat([_standard(x.double(), t.double())[1], torch.ones(len(t), 1)], 1)
        start = torch.linalg.lstsq(rows, first).solution
        expect(
            close(got, _probe(start=start)(*case), 1e-2),
            "At a learning rate of 0 your logits are not 0: the weights start at random (or other) "
            "numbers, and should start at 0. There is more: one linear layer, started at the same "
            "numbers, comes out otherwise. Is there a second layer, or another rule of training?",
        )
    raise Wrong(random)
