"""Exercise 8.5, choose k without the test set: tells apart choices on the test images, or with the
held-out images in the bank, and accuracies of another bank or k.
"""

import torch
from torch import Tensor

from minidino.checks.core import call, check, expect, expect_close
from minidino.checks.evaluation.common import class_votes, similarities


@check("8.5", "choose k without the test set")
def check_8_5(choose_k_and_score):
    x, y, t, ty, held_out = _overlapping()
    candidates = (8, 1, 20, 60, 3)  # no k is the position of another

    def accuracy(bank, bank_labels, queries, labels, k):
        votes = class_votes(similarities(queries, bank), bank_labels, k, lambda s: (s / 0.07).exp())
        return 100.0 * (votes.argmax(1) == labels).double().mean().item()

    rest = ~held_out
    chosen_on = {
        "right": [accuracy(x[rest], y[rest], x[held_out], y[held_out], k) for k in candidates],
        "test": [accuracy(x, y, t, ty, k) for k in candidates],
        "itself": [accuracy(x, y, x, y, k) for k in candidates],
        "in bank": [accuracy(x, y, x[held_out], y[held_out], k) for k in candidates],
        "reversed": [accuracy(x[held_out], y[held_out], x[rest], y[rest], k) for k in candidates],
    }
    best = {
        name: candidates[max(range(5), key=scores.__getitem__)]
        for name, scores in chosen_on.items()
    }
    k = best["right"]
    worst = candidates[min(range(5), key=chosen_on["right"].__getitem__)]

    def ask(labels):
        got = call(choose_k_and_score, x, y, t, labels, held_out, candidates)
        expect(
            isinstance(got, tuple | list) and len(got) == 2,
            "Return two things: the chosen k, and the test accuracy in percent.",
        )
        expect(
            float(got[0]) in candidates or float(got[1]) not in candidates,
            "The two results are swapped: first the chosen k, then the accuracy.",
        )
        return int(got[0]), float(got[1])

    got_k, got_score = ask(ty)
    # Everything else the same: a choice that looks at the test labels gives itself away.
    sets = [ty, (ty + 1) % 3, ty.roll(1), torch.zeros_like(ty)]
    expect(
        all(ask(labels)[0] == got_k for labels in sets[1:]),
        "Your k changes when nothing but the *test labels* changes: you chose it on the test "
        "set. Its score is then the best of five tries, not that of a k. Choose on held_out.",
    )
    for name, message in {
        "itself": "You chose k on the training images with themselves in the bank: each finds "
        "itself first, so k = 1 looks perfect. Judge the held-out images by the rest.",
        "in bank": "The held-out images are in the bank that judges them: each finds itself "
        "first, so k = 1 looks perfect. The bank is features[~held_out].",
        "reversed": "You turned the two parts round: the held-out images are the queries, the "
        "rest is the bank.",
    }.items():
        expect(got_k == k or got_k != best[name], message)
    expect(
        got_k != worst,
        "You chose the *worst* k. Take the largest accuracy.",
    )
    expect(
        got_k in candidates,
        f"You returned {got_k}, which is none of the candidates {candidates}. If it is a "
        "position among them, look the k up.",
    )
    expect(
        got_k == k,
        f"You chose k = {got_k}; on the held-out images k = {k} is best.",
    )
    at = candidates.index(k)
    right = chosen_on["test"][at]
    expect_close(
        got_score,
        right,
        {
            "This is the accuracy on the held-out images, on which k was chosen: the best of "
            "five tries. Report that of the test images.": chosen_on["right"][at],
            "You judged the test images by a part of the training features. Once k is chosen, "
            "the held-out part goes back: use the whole bank.": accuracy(
                x[rest], y[rest], t, ty, k
            ),
            "You judged the test images by the held-out features only. Use the whole "
            "bank.": accuracy(x[held_out], y[held_out], t, ty, k),
            "This is the test accuracy of another k than the one you chose: the best of all, or "
            "knn_predict's default of 20?": max(chosen_on["test"]),
            "This is a share; the accuracy is asked for in percent.": right / 100,
            "This is the error; the accuracy is asked for.": 100 - right,
        },
        what="The test accuracy",
    )
    # Two clusters far apart: every candidate is always right.
    y = torch.arange(40) % 2
    x = torch.eye(2)[y] + 0.05 * torch.randn(40, 2)
    k = int(call(choose_k_and_score, x, y, x, y, torch.arange(40) % 4 < 2, (5, 1, 3))[0])
    expect(
        k == 5,
        f"Of the candidates (5, 1, 3), all equally good, you chose {k}. Of equals the first is "
        "asked for: replace the best so far only by a larger accuracy, and leave their order.",
    )


def _overlapping() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Three clusters, one of them large, in which some labels are wrong: 1 neighbour is too few,
    60 are too many."""
    torch.manual_seed(25)  # here every slip chooses another k
    centers = torch.randn(3, 24)

    def draw(n, noise):
        y = (torch.rand(n, 1) > torch.tensor([0.6, 0.8])).sum(1)
        x = centers[y] + 2.0 * torch.randn(n, 24)
        return x, torch.where(torch.rand(n) < noise, torch.randint(0, 3, (n,)), y)

    x, y = draw(150, 0.2)
    t, ty = draw(90, 0.0)
    return x, y, t, ty, torch.rand(150) < 0.4
