"""Exercise 8.5, choose k without the test set: tells apart choices on the test images, or with the
held-out images in the bank, and accuracies of another bank or k.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino import evaluate
from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, expect
from minidino.checks.evaluation.common import cosine
from minidino.checks.mistakes import Table


def _scores(
    bank: Tensor, labels: Tensor, queries: Tensor, truth: Tensor, ks: Sequence[int] = (20,)
) -> list[float]:
    """The accuracies in percent of weighted k-NN, for each of ``ks``."""
    near, chosen = cosine(queries, bank).topk(min(max(ks), len(bank)), dim=1)
    weights = (near / 0.07).exp()[..., None] * F.one_hot(labels, 3)[chosen]
    votes = weights.cumsum(1)  # (M, k, C): of the first, of the first two, ...
    return [
        100 * (votes[:, min(k, len(bank)) - 1].argmax(1) == truth).double().mean().item()
        for k in ks
    ]


class Data:
    """What the function is given, and its two parts."""

    def __init__(self, x, y, t, ty, held, candidates):
        self.x, self.y, self.t, self.ty, self.held, self.candidates = x, y, t, ty, held, candidates
        self.bank, self.queries = (x[~held], y[~held]), (x[held], y[held])
        self.all, self.test = (x, y), (t, ty)


Judge = Callable[[Data], list[float]]  # of all candidates
Report = Callable[[Data, int], float]  # of the chosen one


def _held_out(d: Data) -> list[float]:
    return _scores(*d.bank, *d.queries, d.candidates)


def _on_test(d: Data) -> list[float]:
    return _scores(*d.all, *d.test, d.candidates)


def _one(judge: Judge) -> Report:
    """Of the chosen k alone."""
    return lambda d, k: judge(d)[d.candidates.index(k)]


TEST, HELD = _one(_on_test), _one(_held_out)


def _best(scores: Sequence[float], d: Data) -> int:
    return d.candidates[max(range(len(scores)), key=scores.__getitem__)]


def _choose(judge: Judge = _held_out, choose=_best, report: Report = TEST):
    def answer(*given):
        d = Data(*given)
        k = choose(judge(d), d)
        return k, report(d, k)

    return answer


def _split(share: float, late: bool = True) -> Judge:
    """A split of one's own: the last (or the first) of the bank judge."""

    def judge(d: Data) -> list[float]:
        n = int(share * len(d.x))
        first, second = (d.x[:n], d.y[:n]), (d.x[n:], d.y[n:])
        parts = (first, second) if late else (second, first)
        return _scores(*parts[0], *parts[1], d.candidates)

    return judge


def _among(key):
    """Of the candidates with the best score the one with the largest ``key(position, d)``."""

    def choose(scores: Sequence[float], d: Data) -> int:
        at = [i for i, s in enumerate(scores) if s == max(scores)]
        return d.candidates[max(at, key=lambda i: key(i, d))]

    return choose


ITSELF = "each finds itself first, so a small k looks perfect."
EQUALS = (
    "Of equals the first is asked for: replace the best so far only by a larger accuracy, and "
    "leave their order."
)
FIRST = (
    "You take the first candidate, whatever the data, as if all were equally good. Is k passed on "
    "to knn_predict, and is held_out left a bool mask (numbers 0 and 1 are positions)?"
)
WHOLE_BANK = "Once k is chosen, the held-out part goes back: use the whole bank."
JUDGES: dict[str, Judge] = {
    "You chose k on the *test* images. Its score is then the best of several tries, not that of a "
    "k. Choose on held_out.": _on_test,
    "You chose k on the test images, with the bank less the held-out part. Choose on held_out.": (
        lambda d: _scores(*d.bank, *d.test, d.candidates)
    ),
    f"You chose k on the training images with themselves in the bank: {ITSELF} Judge the held-out "
    "images by the rest.": lambda d: _scores(*d.all, *d.all, d.candidates),
    f"The held-out images are in the bank that judges them: {ITSELF} The bank is "
    "features[~held_out].": lambda d: _scores(*d.all, *d.queries, d.candidates),
    f"The held-out images judge themselves: they are queries and bank, and {ITSELF} The bank is "
    "features[~held_out].": lambda d: _scores(*d.queries, *d.queries, d.candidates),
    f"The bank judges itself, and the held-out images take no part: {ITSELF} They are the "
    "queries.": lambda d: _scores(*d.bank, *d.bank, d.candidates),
    "You turned the two parts round: the held-out images are the queries, the rest is the bank.": (
        lambda d: _scores(*d.queries, *d.bank, d.candidates)
    ),
    "The whole training set is the query, the held-out part among them. The held-out images are "
    "the queries, the rest is the bank.": lambda d: _scores(*d.bank, *d.all, d.candidates),
    "The labels of the bank are not those of its features: train_labels without [~held_out], while "
    "the features have it. The same mask for both.": (
        lambda d: _scores(d.bank[0], d.y, *d.queries, d.candidates)
    ),
    "The held-out images are judged by labels that are not theirs, the bank's: "
    "train_labels[held_out].": lambda d: _scores(*d.bank, d.queries[0], d.bank[1], d.candidates),
    "The held-out images are judged by labels that are not theirs, the first of the training set: "
    "train_labels[held_out].": lambda d: _scores(
        *d.bank, d.queries[0], d.y[: len(d.queries[1])], d.candidates
    ),
    FIRST: lambda d: [0.0] * len(d.candidates),
    **{
        f"You made a split of your own, the last {1 - share:.0%} of the training images, in the "
        "place of held_out.": _split(share)
        for share in (0.5, 0.75, 0.8, 0.9)
    },
    **{
        f"You made a split of your own, the first {share:.0%} of the training images, in the "
        "place of held_out.": _split(share, late=False)
        for share in (0.1, 0.2, 0.25, 0.5)
    },
}
CHOICES = {
    "You chose the *worst* k. Take the largest accuracy.": lambda scores, d: d.candidates[
        min(range(len(scores)), key=scores.__getitem__)
    ],
    f"Of equally good candidates you took the last. {EQUALS}": _among(lambda i, d: i),
    f"Of equally good candidates you took the largest k. {EQUALS}": (
        _among(lambda i, d: d.candidates[i])
    ),
    f"Of equally good candidates you took the smallest k. {EQUALS}": (
        _among(lambda i, d: -d.candidates[i])
    ),
    "Of equally good candidates you took the one with the best *test* accuracy. Nothing is chosen "
    "on the test images, a tie least of all: the first.": (_among(lambda i, d: _on_test(d)[i])),
    "Accuracies are rounded before they are compared, and candidates seem equal that are not.": (
        lambda scores, d: _best([round(s) for s in scores], d)
    ),
    "Accuracies are cut to whole numbers before they are compared (int), and candidates seem equal "
    "that are not.": lambda scores, d: _best([int(s) for s in scores], d),
    "You always take the largest candidate.": lambda scores, d: max(d.candidates),
    "You always take the smallest candidate.": lambda scores, d: min(d.candidates),
    "You always take the last candidate (the loop's k after its end?). Keep the best so far.": (
        lambda scores, d: d.candidates[-1]
    ),
}
REPORTS: dict[str, Report] = {
    "This is the accuracy on the held-out images, on which k was chosen: the best of several "
    "tries. Report that of the test images.": HELD,
    f"You judged the test images by a part of the training features. {WHOLE_BANK}": (
        lambda d, k: _scores(*d.bank, *d.test, [k])[0]
    ),
    "You judged the test images by the held-out features only. Use the whole bank.": (
        lambda d, k: _scores(*d.queries, *d.test, [k])[0]
    ),
    "k is not passed on in the second stage: the test images are judged by knn_predict's default "
    "of 20.": lambda d, k: _scores(*d.all, *d.test)[0],
    "This is the largest test accuracy of all candidates. Report that of the k you chose.": (
        lambda d, k: max(_on_test(d))
    ),
    "This is the mean of all candidates' test accuracies. Report that of the k you chose.": (
        lambda d, k: sum(_on_test(d)) / len(d.candidates)
    ),
    "This is the test accuracy of the *last* candidate. Report that of the k you chose.": (
        lambda d, k: _on_test(d)[-1]
    ),
    "This is the test accuracy of the *first* candidate. Report that of the k you chose.": (
        lambda d, k: _on_test(d)[0]
    ),
    "You report the larger of two test accuracies, with and without the held-out part in the bank. "
    f"That is a choice on the test images. {WHOLE_BANK}": (
        lambda d, k: max(TEST(d, k), _scores(*d.bank, *d.test, [k])[0])
    ),
    "You report the larger of the held-out and the test accuracy. That of the test images alone.": (
        lambda d, k: max(TEST(d, k), HELD(d, k))
    ),
    "You report the mean of the held-out and the test accuracy. That of the test images alone.": (
        lambda d, k: (TEST(d, k) + HELD(d, k)) / 2
    ),
    "The test images are in the bank: each finds itself. The bank is the training features.": (
        lambda d, k: _scores(torch.cat([d.x, d.t]), torch.cat([d.y, d.ty]), *d.test, [k])[0]
    ),
    "The test images are bank and queries: each finds itself. The bank is the training features.": (
        lambda d, k: _scores(*d.test, *d.test, [k])[0]
    ),
    "This is the accuracy of the *training* images, with themselves in the bank. Report that of "
    "the test images.": lambda d, k: _scores(*d.all, *d.all, [k])[0],
    "The test images are the bank here, the training images the queries. Turn them round.": (
        lambda d, k: _scores(*d.test, *d.all, [k])[0]
    ),
    "The accuracy is rounded to whole percents. Return it as it is.": (
        lambda d, k: round(TEST(d, k))
    ),
    "The accuracy is cut to whole percents (int). Return it as it is.": (
        lambda d, k: int(TEST(d, k))
    ),
    "The accuracy is rounded to one digit. Return it as it is.": (
        lambda d, k: round(TEST(d, k), 1)
    ),
    "This is a share; the accuracy is asked for in percent.": lambda d, k: TEST(d, k) / 100,
    "These are percents of percents: evaluate.accuracy is in percent already.": (
        lambda d, k: TEST(d, k) * 100
    ),
    "This is the error; the accuracy is asked for.": lambda d, k: 100 - TEST(d, k),
    "This is the number of right answers; the accuracy is asked for, in percent.": (
        lambda d, k: TEST(d, k) / 100 * len(d.ty)
    ),
}


def _mistakes() -> Table:
    table = {message: _choose(judge) for message, judge in JUDGES.items()}
    table |= {message: _choose(choose=choose) for message, choose in CHOICES.items()}
    table |= {message: _choose(report=report) for message, report in REPORTS.items()}
    # Who keeps the held-out part out keeps it out in both stages, whatever was chosen on.
    right = _choose()

    def position(*given):
        return given[-1].index(right(*given)[0]), right(*given)[1]

    def score_for_k(*given):
        d = Data(*given)
        if (k := max(_held_out(d))) < len(d.x):
            torch.zeros(3).topk(k)  # raises what topk says of such a k
        return k, _scores(*d.all, *d.test, [len(d.x)])[0]

    return table | {
        "You took the best *accuracy* for k. Which candidate it belongs to is the k: max(..., "
        "key=...), or its position.": score_for_k,
        "You returned the *position* of the best candidate. Look the k up: candidates[position].": (
            position
        ),
        "The two results are swapped: first the chosen k, then the accuracy.": (
            lambda *given: right(*given)[::-1]
        ),
        "Return two things: the chosen k, and the test accuracy in percent. The k alone is "
        "there.": lambda *given: right(*given)[0],
        "Return two things: the chosen k, and the test accuracy in percent. The accuracy alone is "
        "there.": lambda *given: right(*given)[1],
    }


def _case(seed: int, candidates: tuple[int, ...], n: int, m: int, share: float, noise=0.2) -> tuple:
    """Three clusters, one of them large, in which some labels are wrong: 1 neighbour is too few,
    60 are too many."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(*shape, generator=generator)

    centers = torch.randn(3, 24, generator=generator) + 2.0  # cosines lie close

    def draw(count, noise):
        y = (rand(count, 1) > torch.tensor([0.6, 0.8])).sum(1)
        x = centers[y] + 2.0 * torch.randn(count, 24, generator=generator)
        anything = torch.randint(0, 3, (count,), generator=generator)
        return x, torch.where(rand(count) < noise, anything, y)

    return (*draw(n, noise), *draw(m, 0.05), rand(n) < share, candidates)


def _far_apart(n: int, candidates: tuple[int, ...]) -> tuple:
    """Two clusters far apart, and one test image that only 1 neighbour would judge as labelled:
    on the held-out images all candidates are equally good."""
    generator = torch.Generator().manual_seed(n)
    y = torch.arange(n) % 2
    x = torch.eye(2)[y] + 0.05 * torch.randn(n, 2, generator=generator)
    ty = torch.arange(9) % 2
    t = torch.eye(2)[ty] + 0.05 * torch.randn(9, 2, generator=generator)
    x[0], y[0] = torch.tensor([1.0, 0.3]), 1  # an image with a wrong label, in the bank
    t[3], ty[3] = torch.tensor([1.0, 0.3]), 1
    return x, y, t, ty, torch.arange(n) % 4 > 1, candidates


@check("8.5", "choose k without the test set")
def check_8_5(choose_k_and_score):
    # No k is the position of another; the first of equals is neither the largest nor the smallest.
    cases = [
        _case(94, (7, 50, 3, 11, 28, 5), 190, 80, 0.4),
        _case(9, (6, 90, 13, 33, 21), 230, 80, 0.5),
        _case(14, (12, 40, 7, 100, 25), 400, 110, 0.3),
        _case(58, (7, 50, 3, 11, 28, 5), 400, 110, 0.5),
        _case(31, (9, 30, 4, 70, 5, 15), 400, 110, 0.3),
        _case(113, (16, 4, 35, 9), 400, 80, 0.3),
        _far_apart(40, (5, 7, 1, 3)),
        _far_apart(48, (9, 11, 1, 5)),
    ]

    def ask(*given):
        got = choose_k_and_score(*given)
        if not isinstance(got, tuple | list):
            return got
        return tuple(float(v) if hasattr(v, "__float__") and v is not None else v for v in got)

    mistakes = _mistakes()
    try:
        compare(ask, cases, _choose(), mistakes, what="The choice (k, test accuracy)")
    except Wrong as error:
        if str(error) == FIRST:
            _expect_passed(ask, cases)
        if str(error) not in mistakes:
            for case in cases[:2]:
                _expect_blind(ask, case)
        raise


def _expect_passed(ask, cases: list[tuple]) -> None:
    """Why are all candidates equally good? What evaluate.knn_predict is given may tell."""
    knn, seen = evaluate.knn_predict, []

    def heard(bank, labels, queries, k=20, *rest, **more):
        seen.append((len(bank.unique(dim=0)), k))
        return knn(bank, labels, queries, k, *rest, **more)

    evaluate.knn_predict = heard
    try:
        for *given, candidates in cases[:2]:
            seen.clear()
            call(ask, *given, candidates)
            if not seen or {k for _, k in seen[:-1]} != {20}:
                break
        else:
            raise Wrong(
                "k is not passed on while you choose: every candidate is judged by knn_predict's "
                "default of 20, all are equal, and the first is taken."
            )
        for case in cases[:2]:
            seen.clear()
            call(ask, *case)
            if not seen or seen[0][0] > 2:
                break
        else:
            raise Wrong(
                "The bank holds one or two images, again and again: held_out became numbers 0 and "
                "1, and these are taken for positions. Leave it a bool mask: x[held_out], "
                "x[~held_out]."
            )
    finally:
        evaluate.knn_predict = knn


def _expect_blind(ask, case: tuple) -> None:
    """Wrong where k depends on the labels of the test images, or is none of the candidates."""
    x, y, t, ty, held, candidates = case

    def k_with(labels):
        got = call(ask, x, y, t, labels, held, candidates)
        expect(
            isinstance(got, tuple | list) and len(got) == 2,
            "Return two things: the chosen k, and the test accuracy in percent.",
        )
        expect(
            got[0] in candidates or got[1] not in candidates,
            "The two results are swapped: first the chosen k, then the accuracy.",
        )
        return got[0]

    k = k_with(ty)
    expect(
        k in candidates,
        f"You returned {k:g}, which is none of the candidates {candidates}. If it is a position "
        "among them, look the k up.",
    )
    expect(
        all(k_with(labels) == k for labels in ((ty + 1) % 3, ty.roll(1), torch.zeros_like(ty))),
        "Your k changes when nothing but the *test labels* changes: you chose it on the test set. "
        "Its score is then the best of several tries, not that of a k. Choose on held_out.",
    )
