"""Exercise 8.4, precision at k: tells apart a query that finds itself, recall and other quotients,
and neighbours by something else than the largest cosine.
"""

import torch
from torch import Tensor

from minidino.checks.core import Wrong, call, check, expect_close, expect_tensor
from minidino.checks.evaluation.common import similarities, unit


@check("8.4", "precision at k")
def check_8_4(precision_at_k):
    # By hand: seen from 0 degrees the nearest are 10 and 20, and one of the two is of its class.
    angles = torch.tensor([0.0, 10.0, 20.0, 90.0, 101.0]).deg2rad()
    features = torch.stack([angles.cos(), angles.sin()], dim=1)
    labels = torch.tensor([0, 1, 0, 1, 1])
    got = call(precision_at_k, features, labels, 2)
    if isinstance(got, float) or (isinstance(got, Tensor) and got.ndim == 0):
        raise Wrong(
            "You returned one number, the mean. Here each query has its own precision, (N,), so "
            "that classes can be told apart; the mean comes later."
        )
    expect_tensor(got, (5,), "(N,): one precision a query")

    centers = torch.randn(3, 6)
    y = torch.tensor([0] * 9 + [1] * 12 + [2] * 19)
    x = (centers[y] + 1.0 * torch.randn(40, 6)) * (0.3 + 3 * torch.rand(40, 1)) + 0.3
    k = 7
    near = similarities(x, x)
    n = len(y)
    indices = torch.arange(n)

    def hits(similarity, k, own=False):
        """(N, k) whether each of a query's k nearest has its label."""
        similarity = similarity.clone()
        if not own:
            similarity[indices, indices] = -torch.inf
        order = similarity.argsort(dim=1, descending=True)[:, :k]
        return (y[order] == y[:, None]).double()

    relevant = torch.stack([(y == c).sum() - 1 for c in y]).double()
    others = near.clone()
    others[indices, indices] = -torch.inf
    positions = others.argsort(dim=1, descending=True)[:, :k]
    over_rows = unit(x, dim=0) @ unit(x, dim=0).T
    want = hits(near, k).mean(1)
    expect_close(
        call(precision_at_k, x, y, k),
        want,
        {
            "The query's own image is among its neighbours: its cosine with itself is 1, so it "
            "always comes first, and always has the right label. Leave it out.": hits(
                near, k, own=True
            ).mean(1),
            "You took k + 1 neighbours, and the query's own image is still one of them. Drop "
            "it, and divide by k.": hits(near, k + 1, own=True).mean(1),
            "You took k + 1 neighbours, counted the query's own image as a hit, and divided by "
            "k: precision may exceed 1.": hits(near, k + 1, own=True).sum(1) / k,
            "You dropped the query's own image and have k - 1 others. Take k + 1 first, so that "
            "k are left.": hits(near, k - 1).mean(1),
            "You left the query's own image out but divided by k + 1.": hits(near, k).sum(1)
            / (k + 1),
            "You divided by the number of *relevant* images (those of the query's class): that "
            "is recall. Precision asks what share of the k shown are right: divide by "
            "k.": hits(near, k).sum(1) / relevant,
            "You divided by the number of relevant images, the query itself among them: that is "
            "recall. Precision divides by k.": hits(near, k).sum(1) / (relevant + 1),
            "You divided by the number of images. Precision divides by k.": hits(near, k).sum(1)
            / n,
            "You counted the hits; divide by k.": hits(near, k).sum(1),
            "You ask whether *any* of the k is right (a hit rate). Precision is the share of "
            "the k that are.": hits(near, k).amax(1),
            "You look at the k-th neighbour only. Precision at k is the share of right ones "
            "among the first k.": hits(near, k)[:, -1],
            "You did not bring the features to length 1: long features are everybody's "
            "neighbours. Use cosines.": hits(x.double() @ x.double().T, k).mean(1),
            "You normalised over the batch (dim 0). Each row, an image's feature, has length 1: "
            "dim=1.": hits(over_rows, k).mean(1),
            "You took the images with the *smallest* cosine, the farthest. A cosine is a "
            "similarity: the largest is nearest.": hits(-near, k).mean(1),
            "You took the smallest cosines, and the diagonal as the smallest of all. topk takes "
            "the largest by itself.": hits(
                (-near).index_put((indices, indices), torch.full((n,), torch.inf).double()),
                k,
                own=True,
            ).mean(1),
            "You compare the neighbours' *indices* with the labels. Look their labels up: "
            "labels[neighbours].": (positions == y[:, None]).double().mean(1),
            "These are Euclidean neighbours of features as long as they come. Compare "
            "directions: cosines.": hits(-torch.cdist(x, x).double(), k).mean(1),
            "This is the error, the share of wrong neighbours.": 1 - want,
            "This is in percent; a precision is a share, 0 to 1.": 100 * want,
        },
        names="(N,)",
        what="The vector of precisions",
    )
    expect_close(
        got,
        torch.tensor([0.5, 0.0, 0.5, 0.5, 0.5]),
        what="The vector of precisions at 2 of angles 0, 10, 20, 90, 101",
    )
    # 0, 110 and 230 degrees: every cosine of two images is negative.
    angles = torch.tensor([0.0, 110.0, 230.0]).deg2rad()
    apart = torch.stack([angles.cos(), angles.sin()], dim=1)
    expect_close(
        call(precision_at_k, apart, torch.tensor([0, 1, 2]), 1),
        torch.zeros(3),
        {
            "Where every other image has a negative cosine, the query's own image is an answer "
            "again: a 0 in its place is larger than they are. Put -torch.inf there.": torch.ones(3)
        },
        what="The vector of precisions at 1 of three images that point apart",
    )
