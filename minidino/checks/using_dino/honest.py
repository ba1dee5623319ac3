"""Exercise 11.2, an honest split: tells apart what leaks, what is chosen on what, what is told."""

import functools

import torch
from torch import Tensor

from minidino.checks.compare import compare, unsteady
from minidino.checks.core import Wrong, check, expect
from minidino.checks.mistakes import Table

TEMPERATURE = 0.07  # of evaluate.knn_predict


def _cosines(queries: Tensor, bank: Tensor) -> Tensor:
    return _unit(queries) @ _unit(bank).T


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True)


def _weights(near: Tensor) -> Tensor:
    return (near / TEMPERATURE).exp()


def _knn(similar=_cosines, weights=_weights):
    def predict(bank: Tensor, labels: Tensor, queries: Tensor, k: int) -> Tensor:
        near, index = similar(queries, bank).topk(min(k, len(bank)), 1)
        votes = torch.zeros(len(queries), int(labels.max()) + 1, dtype=torch.float64)
        return votes.scatter_add_(1, labels[index], weights(near.double())).argmax(1)

    return predict


def _by_group(groups: Tensor) -> Tensor:
    return groups % 5


def _right(predicted: Tensor, labels: Tensor) -> float:
    return (predicted == labels).double().mean().item()


def _first_best(scores: list[float], ks: list[int]) -> int:
    return ks[scores.index(max(scores))]


Where = tuple[Tensor, Tensor]  # which pictures are the bank, which are asked


def _to_choose(part: Tensor) -> Where:
    return part > 1, part == 1


def _to_tell(part: Tensor) -> Where:
    return part > 0, part == 0


def _honest(
    split=_by_group, choose=_to_choose, tell=_to_tell, predict=None, best=_first_best,
    score=_right, end=lambda k, told: (k, told(k)),
):  # fmt: skip
    predict = predict or _knn()

    def answer(features: Tensor, labels: Tensor, groups: Tensor, ks: list[int]):
        part = split(groups)

        def asked(where: Where, k: int) -> float:
            bank, queries = where
            found = predict(features[bank], labels[bank], features[queries], k)
            return score(found, labels[queries])

        k = best([asked(choose(part), k) for k in ks], ks)
        return _numbers(end(k, lambda k: asked(tell(part), k)))

    return answer


def _numbers(found) -> Tensor:
    return torch.tensor(found, dtype=torch.float64)


GROUPS = "All pictures of a group go to the same side: groups % 5, and not the pictures' numbers."
SPLITS = {
    f"You dealt out the pictures one by one (their numbers % 5), so pictures of one group stand on "
    f"both sides, and the test asks for what the bank has all but seen. {GROUPS}": (
        lambda g: torch.arange(len(g)) % 5
    ),
    "Parts are runs of five groups, groups // 5. The remainder says which part a group is in: "
    "groups % 5.": lambda g: g // 5,
    f"You cut the pictures into parts in their order, the first fifth to test. {GROUPS}": (
        lambda g: torch.arange(len(g)) * 5 // len(g)
    ),
    f"You cut the pictures into parts in their order, the last fifth to test. {GROUPS}": (
        lambda g: 4 - torch.arange(len(g)) * 5 // len(g)
    ),
    "Test and validation are exchanged: groups % 5 == 0 are the test, == 1 validation.": (
        lambda g: torch.tensor([1, 0, 2, 3, 4])[g % 5]
    ),
    "The test are the groups with groups % 5 == 4, validation those with 3. It is 0 and 1.": (
        lambda g: 4 - g % 5
    ),
    "Five groups are kept out and all others are bank: groups == 0, or < 5, in place of groups % "
    "5.": lambda g: g.clamp(max=5),
    "The test is right, by groups; but validation was drawn from the rest picture by picture. "
    "Whole groups, groups % 5 == 1.": lambda g: _mixed_validation(g),
    "Groups are dealt out by tens. It is groups % 5.": lambda g: g % 10,
    "Groups are dealt out by fours. It is groups % 5.": lambda g: g % 4,
}  # fmt: skip


def _mixed_validation(groups: Tensor) -> Tensor:
    part = torch.where(groups % 5 == 0, 0, 2)
    rest = (part == 2).nonzero()[:, 0]
    part[rest[::4]] = 1
    return part


CHOSEN_ON = "k is chosen on the validation pictures, with a bank that holds neither them nor test."
CHOICES = {
    f"k was chosen on the *test* pictures; their score is then no test any more. {CHOSEN_ON}": (
        _to_tell
    ),
    f"k was chosen on the test pictures, against the training part alone. {CHOSEN_ON}": (
        lambda part: (part > 1, part == 0)
    ),
    f"While k was chosen the test pictures were in the bank. {CHOSEN_ON}": (
        lambda part: (part != 1, part == 1)
    ),
    f"k was chosen on validation and test together. {CHOSEN_ON}": (
        lambda part: (part > 1, part < 2)
    ),
}
TOLD_BY = "The number told is of the test pictures, against all the others (validation, too)."
TELLS = {
    f"The test pictures are in the bank: each finds itself. {TOLD_BY}": (
        lambda part: (part >= 0, part == 0)
    ),
    f"The bank of the test is the training part alone. Once k is chosen the validation pictures "
    f"may help: {TOLD_BY}": lambda part: (part > 1, part == 0),
    f"The bank of the test is the validation pictures alone. {TOLD_BY}": (
        lambda part: (part == 1, part == 0)
    ),
    f"You told the score of the validation pictures, on which k was chosen: the best of several "
    f"tries. {TOLD_BY}": _to_choose,
    f"You told the score of validation and test together. {TOLD_BY}": (
        lambda part: (part > 1, part < 2)
    ),
    f"You told the score of all pictures, most of which are in the bank. {TOLD_BY}": (
        lambda part: (part > 0, part >= 0)
    ),
}
BESTS = {
    "Of equal scores you took the last k. The first (the smaller) is asked for: > and not >=.": (
        lambda scores, ks: ks[len(ks) - 1 - scores[::-1].index(max(scores))]
    ),
    "You took the k with the *lowest* score.": lambda scores, ks: ks[scores.index(min(scores))],
    "You took the k in the middle of the list; nothing was chosen.": (
        lambda scores, ks: ks[len(ks) // 2]
    ),
    "You took the first k. Either nothing was chosen, or the pictures it was chosen on were in the "
    "bank: there each finds itself, and every k is right.": lambda scores, ks: ks[0],
    "You took the last k; nothing was chosen.": lambda scores, ks: ks[-1],
    "k = 20 is written in (the default of knn_predict): your k does not reach it, or nothing was "
    "chosen.": lambda scores, ks: 20,
}
PREDICTS = {
    "The features are used as they came, dot products. k-NN takes cosines.": _knn(
        lambda q, b: q @ b.T
    ),
    "Neighbours are those of the smallest Euclidean distance, of features as they came. k-NN "
    "takes cosines.": _knn(lambda q, b: -torch.cdist(q, b)),
    "You asked the *farthest* neighbours (largest=False).": _knn(lambda q, b: -_cosines(q, b)),
    "All k votes weigh alike. As in notebook 08 a vote weighs exp(cos / 0.07).": _knn(
        weights=torch.ones_like
    ),
    "A vote weighs its cosine. As in notebook 08 it weighs exp(cos / 0.07).": _knn(
        weights=lambda near: near
    ),
    "A vote weighs exp(cos), without the temperature. As in notebook 08 it weighs exp(cos / "
    "0.07).": _knn(weights=torch.exp),
    "Every picture is given to the class whose *mean* feature is nearest. That is a good "
    "classifier, with nothing to choose; here k neighbours vote.": (
        lambda bank, labels, queries, k: _nearest_mean(bank, labels, queries)
    ),
    "The features were brought to mean 0 and spread 1 in each part by its own numbers. They are "
    "used as they are.": (
        lambda bank, labels, queries, k: _knn()(_standard(bank), labels, _standard(queries), k)
    ),
    "The features were brought to mean 0 and spread 1 by the numbers of whichever pictures were "
    "the bank. They are used as they are.": (
        lambda bank, labels, queries, k: _knn()(
            _standard(bank), labels, (queries - bank.mean(0)) / bank.std(0), k
        )
    ),
}


def _nearest_mean(bank: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
    classes = labels.unique()
    means = torch.stack([_unit(bank)[labels == c].mean(0) for c in classes])
    return classes[_cosines(queries, means).argmax(1)]


def _standard(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / x.std(0)


def _standard_by_bank(features, labels, groups, ks) -> Tensor:
    bank = features[groups % 5 > 1]
    return _honest()((features - bank.mean(0)) / bank.std(0), labels, groups, ks)


def _by_class(predicted: Tensor, labels: Tensor) -> float:
    return torch.stack(
        [(predicted[labels == c] == c).double().mean() for c in labels.unique()]
    ).mean().item()  # fmt: skip


SCORES = {
    "This is the mean of the classes' scores (balanced accuracy), for the choice as well. It is a "
    "good measure where classes are of several sizes; here the share of all pictures is asked "
    "for.": _by_class,
    "The score is in percent. A share lies between 0 and 1.": lambda p, y: 100 * _right(p, y),
    "The number of right pictures came back. Their share is asked for.": (
        lambda p, y: float((p == y).sum())
    ),
    "This is the share of *wrong* pictures, and k is the one with the most of them.": (
        lambda p, y: 1 - _right(p, y)
    ),
}  # fmt: skip
ENDS = {
    "The two results are swapped: first k, then the score.": lambda k, told: (told(k), k),
    "The share of wrong pictures came back. The share of right ones is asked for.": (
        lambda k, told: (k, 1 - told(k))
    ),
    "The score is rounded to two digits. Return it as it is.": (
        lambda k, told: (k, round(told(k), 2))
    ),
    "k alone came back. Return two numbers.": lambda k, told: k,
    "The score alone came back. Return two numbers.": lambda k, told: told(k),
}


def _over_all(reduce):
    """The k chosen on validation, beside something made of the test's scores for every k."""

    def answer(features, labels, groups, ks):
        k, _ = _honest()(features, labels, groups, ks).tolist()
        tests = [
            _honest(best=lambda *_, n=n: n)(features, labels, groups, ks)[1].item() for n in ks
        ]
        return _numbers((k, reduce(tests)))

    return answer


def _told_of_20(features, labels, groups, ks) -> Tensor:
    k, _ = _honest()(features, labels, groups, ks).tolist()
    return _numbers((k, _honest(best=lambda *_: 20)(features, labels, groups, ks)[1].item()))


def _place(features, labels, groups, ks) -> Tensor:
    k, told = _honest()(features, labels, groups, ks).tolist()
    return _numbers((ks.index(int(k)), told))


def _mistakes() -> Table:
    table = {m: _honest(split=piece) for m, piece in SPLITS.items()}
    table |= {m: _honest(choose=piece) for m, piece in CHOICES.items()}
    table |= {m: _honest(tell=piece) for m, piece in TELLS.items()}
    table |= {m: _honest(best=piece) for m, piece in BESTS.items()}
    table |= {m: _honest(predict=piece) for m, piece in PREDICTS.items()}
    table |= {m: _honest(score=piece) for m, piece in SCORES.items()}
    table |= {m: _honest(end=piece) for m, piece in ENDS.items()}

    def all_seen(features, labels, groups, ks):
        return _honest()(features - features.mean(0), labels, groups, ks)

    def whole(features, labels, groups, ks):
        """Leave one out over all pictures, the usual shortcut of a notebook."""
        scores = []
        for k in ks:
            s = _cosines(features, features).fill_diagonal_(-2)
            near, index = s.topk(k, 1)
            votes = torch.zeros(len(features), int(labels.max()) + 1, dtype=torch.float64)
            votes.scatter_add_(1, labels[index], _weights(near))
            scores.append(_right(votes.argmax(1), labels))
        return _numbers((_first_best(scores, ks), max(scores)))

    return table | {
        "The test was asked with another k than the one you return, the last of the list. After "
        "`for k in ks:` the name k still holds the last one: hand over the one you chose.": (
            _over_all(lambda tests: tests[-1])
        ),
        "The test was asked with another k than the one you return: with 20, the default of "
        "knn_predict. Hand over the one you chose.": _told_of_20,
        "k does not reach knn_predict, which takes its default each time, 20: all candidates score "
        "alike, and the first came back.": (
            lambda features, labels, groups, ks: _numbers(
                (ks[0], _told_of_20(features, labels, groups, ks)[1].item())
            )
        ),
        "The best score that any k has on the test came back, beside the k chosen on validation. "
        "Tell the score of *that* k.": _over_all(max),
        "The mean of the test's scores over all ks came back. Tell the score of the k that was "
        "chosen.": _over_all(lambda tests: sum(tests) / len(tests)),
        "The mean of *all* features was taken away first, the test's among them: what is "
        "prepared is learned, and learned from the bank alone. Here they are used as they are.": (
            all_seen
        ),
        "The features were brought to mean 0 and spread 1 first, by the numbers of *all* pictures, "
        "the test's among them. They are used as they are.": (
            lambda features, labels, groups, ks: _honest()(_standard(features), labels, groups, ks)
        ),
        "The features were brought to mean 0 and spread 1 first, by the bank's numbers. They are "
        "used as they are.": _standard_by_bank,
        "Each picture is asked against all others, its own group among them (leave one out), and "
        f"the best k is told. {GROUPS} {CHOSEN_ON}": whole,
        "The place of k in the list came back. k itself is asked for, ks[place].": _place,
        "k was chosen on the test, and what you tell is the best of several tries, against the "
        f"training part alone. {CHOSEN_ON} {TOLD_BY}": _honest(
            choose=lambda part: (part > 1, part == 0), tell=lambda part: (part > 1, part == 0)
        ),
        "k was chosen while validation pictures were in the bank, and test pictures are in the "
        f"bank of the test: each finds itself. {CHOSEN_ON} {TOLD_BY}": _honest(
            choose=lambda part: (part >= 0, part == 1), tell=lambda part: (part >= 0, part == 0)
        ),
        "Labels and groups are exchanged: the groups were predicted, and the labels split.": (
            lambda features, labels, groups, ks: _honest()(features, groups, labels, ks)
        ),
    }


def _case(groups: int, classes: int, dim: int, ks: list[int], spread: float) -> tuple:
    """Groups of one to four pictures that resemble each other more than their class."""
    of = torch.arange(groups).repeat_interleave(torch.randint(1, 5, (groups,)))
    of = of[torch.randperm(len(of))]
    label = torch.randint(classes, (groups,)) * torch.randint(2, (groups,))  # class 0 is large
    center, own = torch.randn(classes, dim), torch.randn(groups, dim)
    x = 0.8 * center[label][of] + spread * own[of] + 0.5 * torch.randn(len(of), dim) + 0.3
    return 0.3 * x * (0.3 + torch.rand(len(of), 1)), label[of], of, ks


DRAWN = (
    "The result is another one each time: something is drawn at random. The split is given by the "
    "groups, groups % 5."
)
NO_CASE = "Return two things: the k that was chosen, and the share of test pictures that are right."


@check("11.2", "an honest split")
def check_11_2(honest_knn):
    @functools.wraps(honest_knn)
    def ask(features, labels, groups, ks):
        mine = list(ks)
        got = honest_knn(features, labels, groups, mine)
        expect(mine == ks, "Your function changes the list of ks. Make a new one.")
        expect(not isinstance(got, dict), "Return k and the share as a tuple, not in a dict.")
        if isinstance(got, Tensor):
            return got.detach().double()
        if not isinstance(got, tuple | list):
            return _numbers(float(got)) if hasattr(got, "__float__") else got
        if len(got) != 2:
            raise Wrong(NO_CASE)
        if any(_many(x) for x in got):
            raise Wrong(f"A whole list or tensor is in what you return. {NO_CASE}")
        return _numbers([float(x) for x in got])

    # Of each mistake at least one number is another one here.
    cases = [
        _case(30, 3, 4, [1, 3, 5, 9, 15], 0.9),
        _case(34, 4, 6, [1, 2, 4, 8, 16], 1.0),
        _case(28, 5, 3, [2, 5, 7, 12], 0.7),
        _case(36, 3, 5, [1, 5, 10, 20], 1.2),
        _case(32, 6, 4, [3, 6, 13, 22], 0.6),
        _case(40, 3, 2, [1, 4, 9, 14], 1.2),  # 4 is chosen; the test tells it from 14 and from 20
    ]
    drawn = unsteady(ask, cases[0])

    def otherwise(case, got, right):
        if drawn([]):
            return DRAWN
        if not isinstance(got, Tensor) or got.shape != right.shape:
            return None
        (k, told), (true_k, true_told) = got.tolist(), right.tolist()
        if k != true_k:
            return (
                f"Of {case[-1]} you chose k = {k:g} in one of the check's cases; expected "
                f"{true_k:g}. {CHOSEN_ON}"
            )
        return (
            f"Your k is right and its score is not: {told:.3f} for k = {k:g} in one of the check's "
            f"cases; expected {true_told:.3f}. {TOLD_BY}"
        )

    compare(
        ask, cases, _honest(), _mistakes(), "k and its score", "What you return", 1e-5,
        otherwise=otherwise,
    )  # fmt: skip


def _many(x: object) -> bool:
    return isinstance(x, list | tuple) or (isinstance(x, Tensor) and x.numel() > 1)
