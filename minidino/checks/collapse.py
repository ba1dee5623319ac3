"""Checks of notebook 06: usage, KL from logits, effective rank, reading a training log."""

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from minidino.checks.core import (
    Wrong,
    call,
    check,
    expect,
    expect_any_device,
    expect_close,
    expect_tensor,
)

LOGS = Path(__file__).parent / "logs"
VERDICTS = ("uniform", "peaked", "constant", "unstable", "healthy")


def training_log(name: str) -> list[dict]:
    """The lines of a given training log: "a", "b" or "c" (tools/make_collapse_logs.py)."""
    return [
        json.loads(line)
        for line in (LOGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


@check("6.1", "mean of entropies, entropy of the mean")
def check_6_1(usage):
    def both(targets: Tensor) -> tuple[Tensor, Tensor]:
        got = call(usage, targets)
        expect(
            isinstance(got, tuple | list) and len(got) == 2,
            "Return two numbers: the mean of the rows' entropies, and the entropy of the mean row.",
        )
        return tuple(torch.as_tensor(g) for g in got)

    # By hand: rows of entropy ln 2 and ln 4; their mean is (3/8, 3/8, 1/8, 1/8).
    q = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    each, together = both(q)
    expect(
        not each.isnan().any() and not together.isnan().any(),
        "A target with a 0 in it gives nan: 0 * log(0) is nan to a computer, and 0 by its limit. "
        "torch.special.entr(q) is -q log q with 0 at 0.",
    )
    ln2 = math.log(2)
    of_mean = -(0.75 * math.log(0.375) + 0.25 * math.log(0.125))
    columns = torch.special.entr(q.double()).sum(0)
    over_rows = (
        "You summed over the rows (dim 0), which gives an entropy to each prototype. A target is "
        "a row: sum over its prototypes, dim=-1."
    )
    expect_close(
        each,
        1.5 * ln2,
        {
            "This is in bits: log2. DINO counts in nats, the natural logarithm.": 1.5,
            "The sign is turned round: log q is negative, and an entropy is not.": -1.5 * ln2,
            "You returned one entropy a row. Average them: one number tells how sure a target "
            "is on average.": torch.tensor([ln2, 2 * ln2]),
            "You summed the entropies of the rows. Take their mean, so that the number does not "
            "depend on the batch size.": 3 * ln2,
            "You averaged over the K prototypes too. An entropy is a sum over prototypes; only "
            "the rows are averaged.": 1.5 * ln2 / 4,
            "Your first number is the entropy of the mean target. It should be the mean of the "
            "rows' entropies: first the entropy of each row, then the average.": of_mean,
            over_rows: columns.mean(),
            f"{over_rows} And then average over the rows.": columns,
            "You took a softmax of the targets. They are probabilities already; the formula takes "
            "them as they are.": torch.special.entr(q.softmax(-1)).sum(-1).mean(),
        },
        what="The mean of the entropies",
    )
    expect_close(
        together,
        of_mean,
        {
            "Your second number is the mean of the entropies again. Average the targets first, "
            "over the rows, and take the entropy of that one distribution.": 1.5 * ln2,
            "The second number is in bits: log2. DINO counts in nats.": of_mean / ln2,
            "You averaged over the prototypes (dim -1), which gives 1/K for every row. Average "
            "the rows, dim=0: how much mass each prototype gets.": 2
            * torch.special.entr(torch.tensor(0.25)),
            "You summed the rows and did not divide by their number, so the mean target does not "
            "sum to 1. Take targets.mean(dim=0).": torch.special.entr(q.sum(0)).sum(),
            "The sign of the second number is turned round; an entropy is not negative.": -of_mean,
            "Your second number is the difference, what a target tells of its image. Return the "
            "entropy of the mean itself; the difference is taken later.": of_mean - 1.5 * ln2,
            "You counted winners (argmax). A target that is 60 : 40 uses both prototypes: average "
            "the probabilities themselves.": 0.0,
        },
        what="The entropy of the mean",
    )
    # An independent oracle: sums written out, in Python.
    q = torch.randn(9, 7).mul(2).softmax(dim=-1)

    def h(row: list[float]) -> float:
        return -sum(x * math.log(x) for x in row if x > 0)

    rows = q.double().tolist()
    each, together = both(q)
    hard = torch.bincount(q.argmax(-1), minlength=7).double() / 9
    expect_close(each, sum(h(r) for r in rows) / 9, what="The mean of the entropies")
    expect_close(
        together,
        h([sum(column) / 9 for column in zip(*rows, strict=True)]),
        {
            "You counted winners (argmax). A target that is 60 : 40 uses both prototypes: average "
            "the probabilities themselves.": h(hard.tolist()),
        },
        what="The entropy of the mean",
    )
    # The two collapses and the thing itself, at their exact values.
    for targets, want in (
        (torch.full((6, 5), 0.2), (math.log(5), math.log(5))),
        (torch.eye(5)[[2] * 6], (0.0, 0.0)),
        (torch.eye(5), (0.0, math.log(5))),
    ):
        for got, value in zip(both(targets), want, strict=True):
            expect_close(got, value)
    expect_any_device(lambda t: tuple(usage(t))[1], q)


def kl(a: Tensor, b: Tensor, dim: int = -1) -> Tensor:
    """KL of two softmaxes, in float64 and written out."""
    a, b = a.double().exp(), b.double().exp()
    q, p = a / a.sum(dim, keepdim=True), b / b.sum(dim, keepdim=True)
    return (q * (q / p).log()).sum(-1)


def wrong_kls(t: Tensor, s: Tensor, c: Tensor, tau_t: float, tau_s: float) -> dict[str, Tensor]:
    """What the known mistakes would return."""
    want = kl((t - c) / tau_t, s / tau_s)
    log_q = torch.log_softmax((t - c).double() / tau_t, -1)
    log_p = torch.log_softmax(s.double() / tau_s, -1)
    q, p = log_q.exp(), log_p.exp()
    h = torch.special.entr(q).sum(-1)
    over_rows = (
        "You took the softmax over the rows (dim 0). The distribution is over prototypes: dim=-1."
    )
    one_number = "What is left is one number for each row: shape (rows,)."
    kl_div = (
        "F.kl_div(input, target): input is the student's *logarithm*, log p, and target the "
        "teacher's q (or log q, with log_target=True)."
    )
    per_row = "Here each row has its own KL; the mean comes later."
    return {
        f"You returned one number, the mean of the batch. {per_row}": want.mean(),
        f"You returned one number, the sum of the batch. {per_row}": want.sum(),
        "The sign is turned round; KL is never negative: the sum of q (log q - log p).": -want,
        "This is the cross-entropy. KL is what is left of it when the teacher's own entropy is "
        "taken away.": want + h,
        "You averaged over the prototypes (F.kl_div's reduction='mean' does). KL is a sum over "
        "prototypes: an expectation under q.": want / t.shape[-1],
        "This is in bits: log2. DINO counts in nats, the natural logarithm.": want / math.log(2),
        "You swapped the two: this is KL(student || teacher). The teacher is the one that is "
        "believed, so q stands in front: the sum of q (log q - log p).": kl(
            s / tau_s, (t - c) / tau_t
        ),
        "You forgot the center. The target is what the loss uses: softmax((logits - center) / "
        "temperature).": kl(t / tau_t, s / tau_s),
        "You added the center. It is taken away: logits - center.": kl((t + c) / tau_t, s / tau_s),
        "You took the center from the student too. Only the teacher is centred.": kl(
            (t - c) / tau_t, (s - c) / tau_s
        ),
        "You took the center from the student. It is the teacher that is centred.": kl(
            t / tau_t, (s - c) / tau_s
        ),
        "You divided the teacher's logits by the temperature but not the center. Subtract first, "
        "then divide the difference.": kl(t / tau_t - c, s / tau_s),
        "You forgot the teacher's temperature. Divide the centred logits by it, before the "
        "softmax.": kl(t - c, s / tau_s),
        "You forgot the student's temperature. Divide its logits by it, before the softmax.": kl(
            (t - c) / tau_t, s
        ),
        "You forgot both temperatures. Each network's logits are divided by its own.": kl(t - c, s),
        "You swapped the temperatures. Each network's logits are divided by its own.": kl(
            (t - c) / tau_s, s / tau_t
        ),
        "You used the teacher's temperature for both. Each network has its own.": kl(
            (t - c) / tau_t, s / tau_t
        ),
        "You used the student's temperature for both. Each network has its own.": kl(
            (t - c) / tau_s, s / tau_s
        ),
        over_rows: kl((t - c) / tau_t, s / tau_s, dim=0),
        f"{over_rows} So is the sum.": kl(((t - c) / tau_t).T, (s / tau_s).T),
        "You multiplied by the temperatures. Divide by them: a low temperature sharpens.": kl(
            (t - c) * tau_t, s * tau_s
        ),
        f"The sum is missing: you returned a term for each prototype. {one_number}": q
        * (log_q - log_p),
        f"You summed over the rows. Sum over the prototypes, dim=-1. {one_number}": (
            q * (log_q - log_p)
        ).sum(0),
        f"The sum kept its dimension (keepdim). {one_number}": want[:, None],
        "The differences of the logarithms are not weighted. KL is an expectation under q: "
        "multiply each by q_k before you sum.": (log_q - log_p).sum(-1),
        "You weighted by log q in place of q. Where you need q itself, take log_q.exp().": (
            log_q * (log_q - log_p)
        ).sum(-1),
        f"You gave F.kl_div the student's probabilities. {kl_div}": (q * (log_q - p)).sum(-1),
        "Your KL is nan: the log of a negative number was taken. F.kl_div does so if its target is "
        f"a logarithm and log_target is not set. {kl_div}": torch.full_like(want, torch.nan),
    }


@check("6.2", "KL between teacher and student")
def check_6_2(teacher_student_kl):
    # By hand: the teacher's target is (3/4, 1/4) and the student's answer (1/10, 9/10).
    teacher = torch.tensor([[1.0 + 0.5 * math.log(3), 2.0]])
    student = torch.tensor([[0.7, 0.7 + 0.1 * math.log(9)]])
    center = torch.tensor([[1.0, 2.0]])
    inputs = (teacher, student, center, 0.5, 0.1)
    got = call(teacher_student_kl, *inputs)
    expect(not isinstance(got, float), "Return a tensor with a number for each row.")
    expect_close(
        got,
        torch.tensor([0.75 * math.log(7.5) + 0.25 * math.log(0.25 / 0.9)]),
        wrong_kls(*inputs),
        names="(rows,)",
        what="KL((3/4, 1/4) || (1/10, 9/10))",
    )
    # Random rows against a plain float64 formula.
    inputs = (torch.randn(5, 6), torch.randn(5, 6), torch.randn(1, 6), 0.4, 0.9)
    teacher, student, center, *temps = inputs
    want = kl((teacher - center) / temps[0], student / temps[1])
    expect_close(call(teacher_student_kl, *inputs), want, wrong_kls(*inputs), names="(rows,)")
    # A student that is very wrong, and a teacher that is very sure.
    got = call(
        teacher_student_kl,
        torch.tensor([[15.0, 0.0, 1.0]]),
        torch.tensor([[0.0, 15.0, 1.0]]),
        torch.zeros(1, 3),
        0.04,
        0.1,
    )
    expect(
        torch.isfinite(got).all(),
        "Where the student gives almost nothing, or the teacher, your KL is inf or nan: "
        "log(softmax(x)) takes the log of 0. Use log_softmax for both.",
    )
    expect_close(
        got,
        torch.tensor([150.0]),
        {
            f"log(p + eps) puts a ceiling on KL (eps = {e:g}): a student that is more wrong looks "
            "no worse. Use log_softmax.": torch.tensor([-math.log(e)])
            for e in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
        },
    )
    expect_any_device(teacher_student_kl, *inputs)


@check("6.3", "effective rank")
def check_6_3(effective_rank):
    def rank(x: Tensor) -> Tensor:
        got = call(effective_rank, x)
        if isinstance(got, Tensor):
            expect_tensor(got, (), "one number")
        expect(
            isinstance(got, Tensor | float | int),
            f"Return a number; yours is a {type(got).__name__}.",
        )
        return torch.as_tensor(got, dtype=torch.float64)

    def by_entropy(weights: Tensor) -> Tensor:
        w = weights / weights.sum()
        return torch.special.entr(w).sum().exp()

    # By hand: a cross in a plane, moved away from the origin. Singular values sqrt(2) times
    # (3, 1, 0); normalised (3/4, 1/4, 0).
    cross = torch.tensor([[3.0, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]])
    x = cross + torch.tensor([10.0, 0.0, 5.0])
    h = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    raw = torch.linalg.svdvals(x.double())
    s = torch.linalg.svdvals((x - x.mean(0)).double())
    per_row = torch.linalg.svdvals((x - x.mean(1, keepdim=True)).double())
    lengths_one = torch.nn.functional.normalize(x.double())
    scaled_rows = (
        "You scaled each image's feature to length 1. Here lengths count: only centre the features."
    )
    got = rank(x)
    expect(
        not got.isnan(),
        "Features that do not fill the space give nan: a singular value is 0, and 0 * log(0) is "
        "nan to a computer. torch.special.entr(p) is -p log p with 0 at 0.",
    )
    not_centred = (
        "You did not centre the features. The largest singular value is then their mean, which "
        "all images share; subtract features.mean(dim=0) first."
    )
    expect_close(
        got,
        math.exp(h),
        {
            not_centred: by_entropy(raw),
            "You squared the singular values. Squares are shares of the variance, another (and "
            "smaller) measure; here the singular values themselves are normalised.": by_entropy(
                s**2
            ),
            f"{not_centred} They are squared, too.": by_entropy(raw**2),
            "You counted the singular values above 0, or gave every dimension the same spread. A "
            "direction that is hardly used counts hardly: exp of the entropy of the normalised "
            "values.": 2.0,
            "This is the entropy. Its exponential is a number of directions: K equal singular "
            "values have the entropy ln K and the effective rank K.": h,
            "You did not normalise the singular values. Divide them by their sum, so that they "
            "are a distribution.": torch.special.entr(s).sum().exp(),
            "You squared the singular values and did not normalise them. Divide the singular "
            "values themselves by their sum.": torch.special.entr(s**2).sum().exp(),
            "You divided the singular values by the largest one. Divide by their sum, so that "
            "they are a distribution.": torch.special.entr(s / s.max()).sum().exp(),
            "You divided by the length of the vector of singular values (L2). Divide by their sum, "
            "so that they are a distribution.": torch.special.entr(s / s.norm()).sum().exp(),
            "The entropy is in bits (log2), but exp undoes the natural logarithm. Use ln and exp, "
            "or log2 and 2**.": math.exp(h / math.log(2)),
            "The sign of the entropy is turned round: a rank is never below 1.": math.exp(-h),
            "This is the participation ratio, (sum s)^2 / sum s^2. It is a relative; the exercise "
            "asks for exp of the entropy.": 1.6,
            "This is the participation ratio of the variances. It is a relative; the exercise "
            "asks for exp of the entropy of the singular values.": 100 / 82,
            "You centred each image's feature over its own dimensions. Subtract the mean over "
            "the images: features.mean(dim=0).": by_entropy(per_row),
            "You subtracted one number, the mean of all features. Each dimension has its own: "
            "features.mean(dim=0).": by_entropy(torch.linalg.svdvals((x - x.mean()).double())),
            "You took a softmax of the singular values. Divide them by their sum.": by_entropy(
                s.softmax(-1)
            ),
            scaled_rows: by_entropy(torch.linalg.svdvals(lengths_one - lengths_one.mean(0))),
            f"{scaled_rows} And they are not centred.": by_entropy(
                torch.linalg.svdvals(lengths_one)
            ),
            f"{scaled_rows} And centre first.": by_entropy(
                torch.linalg.svdvals(torch.nn.functional.normalize((x - x.mean(0)).double()))
            ),
        },
        what="The effective rank of a flat cross with arms 3 and 1",
    )
    # Against the eigenvalues of the covariance, whose roots are the singular values.
    x = torch.randn(60, 8) @ torch.diag(torch.arange(1.0, 9.0)) + 4.0
    covariance = torch.cov(x.double().T)
    eigenvalues = torch.linalg.eigvalsh(covariance).clamp(min=0)
    expect_close(
        rank(x),
        by_entropy(eigenvalues.sqrt()),
        {
            not_centred: by_entropy(torch.linalg.svdvals(x.double())),
            "You squared the singular values, or took the covariance's eigenvalues, which are "
            "their squares. Normalise the singular values themselves.": by_entropy(eigenvalues),
        },
        tolerance=1e-3,
    )
    expect_close(
        rank(10 * x),
        rank(x),
        {},
        tolerance=1e-3,
        what="The effective rank of ten times the features",
    )
    wide = torch.cat([torch.eye(4, 30), -torch.eye(4, 30)])  # fewer images than dimensions
    expect_close(rank(wide), 4.0, tolerance=1e-3, what="The rank of four equal directions")
    got = rank(torch.ones(7, 3))
    expect(
        got.abs() < 1e-6,
        f"Where all features are the same there is no direction: return 0. Yours is {got:g}. The "
        "singular values are all 0, and so is the sum you divide by; and where that is mended, the "
        "entropy is 0 and exp(0) is 1. Return 0 before you divide.",
    )


# ---------------------------------------------------------------- 6.4


def curves(h: float, together: float, kl: float, n: int = 40, out_dim: int = 32) -> list[dict]:
    """A log whose lines are all alike, in units of ln K."""
    unit = math.log(out_dim)
    line = {"entropy": h * unit, "usage": together * unit, "kl": kl * unit}
    line["loss"] = line["entropy"] + line["kl"]
    return [dict(line) for _ in range(n)]


LOW_LOSS = (
    "The loss is near 0, and you call it healthy. A low loss is not success: here every image "
    "gets the same one prototype, which is easy to predict. Look at entropy and usage."
)
LOSS_AT_LN_K = (
    "You judged by the loss, which is near ln K. But loss = entropy + KL; this usage is well "
    "above the entropy, so the targets tell images apart. Judge by entropy and usage."
)
BETWEEN = (
    "An entropy between the extremes is not health. Here usage equals entropy, so every image "
    "gets the same target, neither flat nor one-hot: constant."
)
SURE = (
    "You judged by the entropy alone. It is low because each target is sure; usage is far above "
    "it, so different images are given different prototypes. That is healthy."
)
FLAT_BUT_TELLING = (
    "You judged by the entropy alone. It is high, but usage is higher still: the difference is "
    "what the targets tell of the images. That is healthy."
)
ALL_USED = (
    "You judged by usage alone. Near ln K it says that all prototypes are used; it takes the "
    "entropy to tell whether by each image (uniform) or among them (healthy)."
)
NOT_DIVIDED = (
    "KL is 5% of ln K here, and you call it unstable. The thresholds are shares of ln K: divide "
    "each average by math.log(out_dim) first."
)
LOSS_FOR_KL = (
    "KL is 1% of ln K here, and you call it unstable. Did you take the loss for KL? The loss is "
    "entropy + KL; d is the average of line['kl']."
)
GAP = (
    "Usage is far above the entropy here, and that is healthy: u - h, usage less entropy, in this "
    "order, and at least 0.02."
)
EXCHANGED = (
    "Uniform and peaked are exchanged. In a uniform collapse every target is flat, and its entropy "
    "is ln K; in a peaked one it is one-hot, and its entropy is 0."
)
SPIKE = (
    "One line of the last quarter has a high KL, and you call the run unstable. One batch may be "
    "an accident: it is the average that is above 15%, or is not."
)
SWINGS = (
    "KL swings in the last quarter: most lines are low, but the average is far above 15% of ln K. "
    "Take the average, not the median: swinging is what an unstable run does."
)
NOT_LN_K = (
    "Entropies lie between 0 and ln K in nats, K being out_dim: math.log(out_dim). It seems you "
    "compare with K itself, with log2(K), or with a fixed number."
)
KL_FIRST = (
    "KL is above 15% of ln K to the end: the student cannot follow its teacher. That is "
    "unstable, whatever the entropies are; look at KL first."
)
LAST_LINE = (
    "You judged the last line alone. One batch may be an accident; average over the last "
    "quarter of the lines."
)
WHOLE_RUN = (
    "You averaged over more than the end. What the run did at its start does not matter: only "
    "the last quarter of the lines, len(log) // 4."
)
FEW = (
    "Of 3 lines a quarter is 0 lines, and log[-0:] is the whole log. Take the last "
    "max(1, len(log) // 4) lines."
)


def cases() -> list[tuple[list[dict], int, str, dict[str, str], str]]:
    """(log, K, verdict, what a wrong verdict means, what the log shows)."""
    well, flat, one = (0.4, 0.8, 0.1), (0.995, 0.999, 0.001), (0.0, 0.001, 0.001)
    spike = curves(0.4, 0.8, 0.05)[:-5] + curves(0.4, 0.8, 0.5)[:1] + curves(0.4, 0.8, 0.05)[:4]
    swings = curves(0.4, 0.8, 0.01)[:-4] + curves(0.4, 0.8, 0.9)[:3] + curves(0.4, 0.8, 0.01)[:1]
    real = [(training_log(name), k, want) for name, k, want in REAL]
    return [
        (curves(0.4, 0.8, 0.01), 32, "healthy",
         {"unstable": LOSS_FOR_KL, "constant": GAP, "peaked": NOT_LN_K},
         "entropy 40%, usage 80%, KL 1%"),
        (curves(0.03, 0.7, 0.05), 32, "healthy", {"unstable": NOT_DIVIDED, "peaked": SURE},
         "entropy 3%, usage 70%, KL 5%"),
        (curves(*well), 32, "healthy", {"peaked": NOT_LN_K}, "entropy 40%, usage 80%, KL 10%"),
        (curves(*flat), 32, "uniform", {"constant": NOT_LN_K, "peaked": EXCHANGED},
         "entropy and usage at ln K"),
        (curves(*one), 32, "peaked", {"healthy": LOW_LOSS}, "entropy and usage at 0"),
        (curves(0.6, 0.605, 0.001), 32, "constant", {"healthy": BETWEEN, "peaked": NOT_LN_K},
         "entropy and usage both at 60%"),
        (curves(0.93, 0.99, 0.03), 32, "healthy", {"uniform": FLAT_BUT_TELLING},
         "entropy 93%, usage 99%"),
        (curves(0.82, 0.95, 0.12), 32, "healthy", {"uniform": LOSS_AT_LN_K},
         "entropy 82%, usage 95%, loss 94%"),
        (curves(0.5, 0.999, 0.1), 32, "healthy", {"uniform": ALL_USED},
         "entropy 50%, usage 100%"),
        (curves(0.5, 0.7, 0.6), 32, "unstable", {"healthy": KL_FIRST, "constant": KL_FIRST},
         "KL at 60%"),
        (curves(0.3, 0.3, 0.6), 32, "unstable", {"constant": KL_FIRST, "healthy": KL_FIRST},
         "entropy and usage both at 30%, KL at 60%"),
        (curves(*flat)[:-1] + curves(0.9, 0.999, 0.05)[:1], 32, "uniform", {"healthy": LAST_LINE},
         "uniform, but for its last line"),
        (curves(0.4, 0.9, 0.1)[:30] + curves(*one)[:10], 32, "peaked",
         dict.fromkeys(("healthy", "constant", "unstable"), WHOLE_RUN),
         "healthy for three quarters, then peaked"),
        (curves(0.4, 0.9, 0.1)[:2] + curves(*one)[:1], 32, "peaked", {"healthy": FEW},
         "three lines, the last one peaked"),
        (spike, 32, "healthy", {"unstable": SPIKE}, "KL 5%, but for one line"),
        (swings, 32, "unstable", {"healthy": SWINGS}, "KL 28% on average over the last quarter"),
        (curves(0.8, 0.803, 0.001, out_dim=4096), 4096, "constant", {"uniform": NOT_LN_K},
         "K 4,096, entropy and usage both at 80%"),
        (curves(*flat, out_dim=4), 4, "uniform", {"constant": NOT_LN_K, "peaked": NOT_LN_K},
         "K 4, entropy and usage at ln K"),
        *[(log, k, want, {"peaked": SURE} if want == "healthy" else {},
           "a real run (tools/make_collapse_logs.py)") for log, k, want in real],
    ]  # fmt: skip


# What the runs were is in tools/make_collapse_logs.py; here is what became of them.
REAL = (
    ("a", 64, "peaked"),
    ("b", 64, "uniform"),
    ("c", 64, "unstable"),
    ("hidden_1", 64, "healthy"),
    ("hidden_2", 64, "healthy"),
    ("hidden_3", 64, "constant"),
    ("hidden_4", 256, "uniform"),
    ("hidden_5", 256, "healthy"),
    ("hidden_6", 64, "peaked"),
    ("hidden_7", 64, "unstable"),
    ("hidden_8", 64, "healthy"),
)


@check("6.4", "diagnose a training log")
def check_6_4(diagnose):
    for log, out_dim, want, meanings, shows in cases():
        before = json.dumps(log)
        got = call(diagnose, log, out_dim)
        expect(json.dumps(log) == before, "Your function changes the log it was given.")
        if got == want:
            continue
        expect(
            isinstance(got, str) and got in VERDICTS,
            f"Return one of {', '.join(VERDICTS)}; yours is {got!r}.",
        )
        raise Wrong(
            meanings.get(got, f"This log is {want}, and you call it {got}. Look at: {shows}.")
        )
