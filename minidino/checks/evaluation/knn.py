"""Exercise 8.2, weighted k-NN: tells apart other neighbours, other weights, votes that are averaged
or overwritten, and indices in the place of labels.
"""

import torch
from torch import Tensor

from minidino.checks.core import Wrong, call, check, close, expect, expect_close, expect_tensor
from minidino.checks.evaluation.common import class_votes, similarities, unit


def _last_vote_wins(near: Tensor, labels: Tensor, k: int, temperature: float) -> Tensor:
    """What ``votes[rows, labels] += weight`` does: of a class's votes, the last one is kept."""
    votes = torch.zeros(len(near), int(labels.max()) + 1, dtype=torch.float64)
    for i, row in enumerate(near.argsort(dim=1, descending=True)[:, :k].tolist()):
        for j in row:
            votes[i, labels[j]] = (near[i, j] / temperature).exp()
    return votes.argmax(1)


def _knn_mistakes(x: Tensor, y: Tensor, t: Tensor, k: int, temp: float) -> dict[str, Tensor]:
    """What goes wrong in a k-NN, and the labels (M,) it gives."""

    def weight(s):
        return (s / temp).exp()

    near = similarities(t, x)
    dots = t.double() @ x.double().T
    over_rows = unit(t, dim=0) @ unit(x, dim=0).T
    order = near.argsort(dim=1, descending=True)[:, :k]
    weights = weight(near.gather(1, order))
    distances = torch.cdist(unit(t), unit(x))
    return {
        "You did not bring the features to length 1: a dot product favours long features, "
        "whatever their direction. F.normalize both, dim=1.": class_votes(
            dots, y, k, weight
        ).argmax(1),
        "You brought the bank to length 1, but not the test features. Their length then acts as "
        "a temperature of its own: a query's weights become exp(|q| cos / T).": class_votes(
            t.double() @ unit(x).T, y, k, weight
        ).argmax(1),
        "You brought the test features to length 1, but not the bank: its long features are "
        "everybody's neighbours.": class_votes(unit(t) @ x.double().T, y, k, weight).argmax(1),
        "You normalised over the batch (dim 0): each *feature* column has length 1, and a "
        "query's answer depends on the other queries. Each row should: dim=1.": class_votes(
            over_rows, y, k, weight
        ).argmax(1),
        "Every neighbour counts the same in your vote: this is a plain majority. A neighbour's "
        "weight is exp(cos / T), so that a closer one counts more.": class_votes(
            near, y, k, torch.ones_like
        ).argmax(1),
        "You multiplied by the temperature. Divide, exp(cos / T): a low temperature makes the "
        "closest neighbours count for more.": class_votes(
            near, y, k, lambda s: (s * temp).exp()
        ).argmax(1),
        "The temperature has no effect: your weights are exp(cos). They should be "
        "exp(cos / T).": class_votes(near, y, k, torch.exp).argmax(1),
        "The temperature has no effect: your weights are the cosines themselves. They should be "
        "exp(cos / T).": class_votes(near, y, k).argmax(1),
        "You took the *smallest* cosines: a cosine is a similarity, not a distance, and the "
        "nearest has the largest.": class_votes(near, y, k, weight, order=-near).argmax(1),
        "You took as many neighbours as there are classes (5). k has nothing to do with the "
        "number of classes: it is the argument (20 in the paper).": class_votes(
            near, y, 5, weight
        ).argmax(1),
        "You always take 20 neighbours. Use the argument k.": class_votes(
            near, y, 20, weight
        ).argmax(1),
        "Your temperature is always 0.07. Use the argument temperature.": class_votes(
            near, y, k, lambda s: (s / 0.07).exp()
        ).argmax(1),
        "You averaged the weights of each class, so that one close neighbour beats ten a little "
        "further off. Sum them: every vote counts.": (
            class_votes(near, y, k, weight) / class_votes(near, y, k, torch.ones_like).clamp(min=1)
        ).argmax(1),
        "Your answer is the label of the one nearest neighbour (k = 1). All k have a vote; sum "
        "their weights per class.": y[near.argmax(1)],
        "All images of the bank vote. Only the k nearest should: topk(k).": class_votes(
            near, y, len(y), weight
        ).argmax(1),
        "Your weights come from distances, exp(-distance / T), and not from cosines.": class_votes(
            near, y, k, weight=lambda s: (-(2 - 2 * s).clamp(min=0).sqrt() / temp).exp()
        ).argmax(1),
        "Your neighbours are those with the largest *distances*. topk takes the largest; for "
        "distances pass largest=False.": class_votes(
            distances, y, k, lambda d: (-d / temp).exp()
        ).argmax(1),
        "You averaged the label *numbers* by weight. Labels are names: class 1 and class 3 do "
        "not make class 2. Sum the weights of each class apart, then take the argmax.": (
            (weights * y[order]).sum(1) / weights.sum(1)
        ).round(),
        "You averaged the label *numbers* by weight. Labels are names; class 1 and class 3 do "
        "not make class 2.": ((weights * y[order]).sum(1) / weights.sum(1)).long(),
        "You returned the *index* of a neighbour in the bank, not its label: "
        "train_labels[index].": near.argmax(1),
        "You voted by the neighbours' position among the k, not by their label: look up "
        "train_labels[neighbours] first.": weights.argmax(1),
        "Votes of the same class overwrite each other. votes[rows, labels] += w keeps one of "
        "them; scatter_add_ (or index_put_ with accumulate=True) adds up.": _last_vote_wins(
            near, y, k, temp
        ),
    }


@check("8.2", "weighted k-NN")
def check_8_2(knn_predict):
    # By hand: cosines 1, 0.8, 0.8, 0.6; at T = 0.5 class 0 has e^2 = 7.4, class 1 has
    # 2 e^1.6 = 9.9 of three neighbours.
    bank = torch.tensor([[2.0, 0.0], [0.8, 0.6], [0.8, -0.6], [0.6, 0.8]])
    labels = torch.tensor([0, 1, 1, 0])
    query = torch.tensor([[5.0, 0.0]])
    got = call(knn_predict, bank, labels, query, k=3, temperature=0.5)
    expect_tensor(got, (1,), "(M,): one label a query")
    expect(
        not got.is_floating_point(),
        f"Your labels are {got.dtype}; a label is an int64. If these are scores, their argmax "
        "over classes is what is asked for.",
    )
    # At the paper's 0.07 a close neighbour outweighs two that are further off.
    sharp = call(knn_predict, bank, labels, query, k=3, temperature=0.07)

    # Clusters that overlap, of very different lengths, off the origin: every slip shows.
    centers = torch.randn(5, 8)
    y = torch.randint(0, 5, (200,))
    x = (centers[y] + 1.1 * torch.randn(200, 8)) * (0.05 + 0.5 * torch.rand(200, 1)) + 0.07
    t = (centers[torch.randint(0, 5, (300,))] + 1.1 * torch.randn(300, 8)) * 0.6 + 0.15
    k, temps = 12, (0.3, 4.0)
    near = similarities(t, x)
    # Queries whose outcome hangs on rounding are left out.
    cut = near.sort(dim=1, descending=True).values
    sure = cut[:, k - 1] - cut[:, k] > 1e-5
    for temp in temps:
        top = class_votes(near, y, k, lambda s, temp=temp: (s / temp).exp()).topk(2, dim=1).values
        sure &= top[:, 0] > 1.0001 * top[:, 1]
    t, near = t[sure], near[sure]

    got = [call(knn_predict, x, y, t, k=k, temperature=temp) for temp in temps]
    for labels_given in got:
        expect_tensor(labels_given, (len(t),), "(M,)", what="The list of labels")
    expect(
        not (y.max() < got[0].max() < len(x)),
        "Some of your labels are larger than any class: they are *indices* of neighbours in "
        "the bank. Look their labels up: train_labels[index].",
    )
    per_temp = [_knn_mistakes(x, y, t, k, temp) for temp in temps]
    want = torch.cat(
        [class_votes(near, y, k, lambda s, temp=temp: (s / temp).exp()).argmax(1) for temp in temps]
    )
    mistakes = {message: torch.cat([m[message] for m in per_temp]) for message in per_temp[0]}
    expect_close(torch.cat(got), want, mistakes, names="(M,)", what="The list of labels")
    expect_close(sharp, torch.tensor([0]), what="The label of [5, 0] at k = 3, T = 0.07")
    expect_close(
        call(knn_predict, bank, labels, query, k=3, temperature=0.5),
        torch.tensor([1]),
        what="The label of [5, 0] at k = 3, T = 0.5",
    )
    expect_close(
        call(knn_predict, x, y, t),
        class_votes(near, y, 20, lambda s: (s / 0.07).exp()).argmax(1),
        what="With the defaults k = 20, temperature = 0.07, the labels",
    )
    gaps = (
        "It goes wrong where class numbers are missing or large (here 0, 3, 6, 9, 12): a bank need "
        "not show every class. There are as many columns of votes as the largest label plus 1."
    )
    try:
        got = call(knn_predict, x, 3 * y, t, k=k, temperature=temps[0])
    except (IndexError, RuntimeError):
        raise Wrong(gaps) from None
    expect(close(got, 3 * want[: len(t)]), gaps)
