"""Checks of notebook 08: frozen features, k-NN, a linear probe, retrieval, choosing k."""

import torch
from torch import Tensor

from minidino.checks.core import (
    Wrong,
    call,
    check,
    close,
    expect,
    expect_close,
    expect_tensor,
)
from minidino.vit import VisionTransformer


@check("8.1", "frozen features")
def check_8_1(frozen_features):
    model = VisionTransformer(16, 8, embed_dim=24, depth=2, num_heads=3, drop_path_rate=0.5)
    # Fresh biases and LayerNorms are 0 and 1, which hides slips; and a fresh output is small.
    for p in model.parameters():
        p.data.add_(0.2 * torch.randn_like(p))
    images = torch.randint(0, 256, (10, 3, 16, 16), dtype=torch.uint8)

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (images.float() / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    model.eval()
    with torch.no_grad():
        tokens = model.forward_features(x)
        want = torch.cat([model(image[None]) for image in x])  # one at a time
        raw, scaled = model(images.float()), model(images.float() / 255)

    seen = []
    watch = model.blocks[0].register_forward_pre_hook(
        lambda block, inputs: seen.append((block.training, len(inputs[0])))
    )
    model.train()
    got = call(frozen_features, model, images, 3)
    watch.remove()
    expect(
        not any(training for training, _ in seen),
        "The backbone ran in train mode: drop-path (or dropout, or batch statistics) makes its "
        "features random, another time you would get others. Call model.eval() first.",
    )
    if isinstance(got, Tensor):
        expect(
            not got.requires_grad,
            "Your features carry a graph: a probe trained on them would send gradients into the "
            "backbone, and every batch's activations stay in memory. Use torch.no_grad().",
        )
        expect(
            got.shape != (1, 24),
            "You returned the features of the last batch only. Collect those of every batch and "
            "torch.cat them.",
        )
        expect(
            got.shape != (9, 24),
            "The last, smaller batch is missing: 10 images in batches of 3 are 3 + 3 + 3 + 1.",
        )
        expect(
            got.shape != (10,),
            "One number an image: you took column 0 of the features. model(images) has picked the "
            "[CLS] token already; its answer is (B, D), as it stands.",
        )
        if got.shape == want.shape and not close(got, want):
            nearest = torch.cdist(got.double(), want.double()).argmin(dim=1)
            expect(
                not close(got, want[nearest]),
                "These are the right features in the wrong order: row i is that of image i. Do not "
                "shuffle.",
            )
    expect_close(
        got,
        want,
        {
            "You gave the model pixels from 0 to 255. It was trained on normalize(images), and "
            "its features of anything else mean little.": raw,
            "You scaled the pixels to 0..1 but did not take ImageNet's mean and standard "
            "deviation out, as in training. normalize(images) does both.": scaled,
            "You averaged the patch tokens. DINO's k-NN uses the [CLS] token, which model(x) "
            "returns.": tokens[:, 1:].mean(1),
            "You averaged all tokens. DINO's k-NN uses the [CLS] token, which model(x) "
            "returns.": tokens.mean(1),
            "You brought the features to length 1 already. That is k-NN's business; a linear "
            "probe wants them as they are.": torch.nn.functional.normalize(want, dim=1),
        },
        names="(N, D)",
        what="The matrix of features",
    )
    sizes = [size for _, size in seen]
    expect(
        sizes != [4, 4, 2],
        "You made batch_size batches: chunk(3) cuts 10 images into 3 parts. batch_size says how "
        "many images go through at a time: images.split(batch_size).",
    )
    expect(
        max(sizes, default=0) <= 3,
        "You put all images through the model at once, and batch_size is not used. A bank of "
        "50,000 images does not fit in memory: images.split(batch_size).",
    )
    expect(
        model.training,
        "You left the model in eval mode. It was in train mode when you got it, and whoever "
        "goes on training it will miss drop-path: keep model.training, and restore it.",
    )
    expect(
        all(p.requires_grad for p in model.parameters()),
        "You set requires_grad_(False) on the model's parameters for good; whoever goes on "
        "training it will train nothing. torch.no_grad() ends with its block.",
    )
    model.eval()
    call(frozen_features, model, images[:2], 3)
    expect(
        not model.training,
        "The model came in eval mode and went out in train mode. Restore the mode it had.",
    )


# ---------------------------------------------------------------- k-NN


def _unit(x: Tensor, dim: int = 1) -> Tensor:
    return x.double() / x.double().norm(dim=dim, keepdim=True)


def _similarities(queries: Tensor, bank: Tensor) -> Tensor:
    return _unit(queries) @ _unit(bank).T


def _votes(near: Tensor, labels: Tensor, k: int, weight=lambda s: s, order=None) -> Tensor:
    """(M, C) sums of weight(near), class by class, over the k largest of ``order`` (near)."""
    order = near if order is None else order  # (M, N) both
    kth = order.sort(dim=1, descending=True).values[:, : min(k, len(labels))][:, -1:]
    weights = torch.where(order >= kth, weight(near), 0.0)
    return torch.stack(
        [weights[:, labels == c].sum(dim=1) for c in range(int(labels.max()) + 1)], dim=1
    )


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

    near = _similarities(t, x)
    dots = t.double() @ x.double().T
    over_rows = _unit(t, dim=0) @ _unit(x, dim=0).T
    order = near.argsort(dim=1, descending=True)[:, :k]
    weights = weight(near.gather(1, order))
    distances = torch.cdist(_unit(t), _unit(x))
    return {
        "You did not bring the features to length 1: a dot product favours long features, "
        "whatever their direction. F.normalize both, dim=1.": _votes(dots, y, k, weight).argmax(1),
        "You brought the bank to length 1, but not the test features. Their length then acts as "
        "a temperature of its own: a query's weights become exp(|q| cos / T).": _votes(
            t.double() @ _unit(x).T, y, k, weight
        ).argmax(1),
        "You brought the test features to length 1, but not the bank: its long features are "
        "everybody's neighbours.": _votes(_unit(t) @ x.double().T, y, k, weight).argmax(1),
        "You normalised over the batch (dim 0): each *feature* column has length 1, and a "
        "query's answer depends on the other queries. Each row should: dim=1.": _votes(
            over_rows, y, k, weight
        ).argmax(1),
        "Every neighbour counts the same in your vote: this is a plain majority. A neighbour's "
        "weight is exp(cos / T), so that a closer one counts more.": _votes(
            near, y, k, torch.ones_like
        ).argmax(1),
        "You multiplied by the temperature. Divide, exp(cos / T): a low temperature makes the "
        "closest neighbours count for more.": _votes(near, y, k, lambda s: (s * temp).exp()).argmax(
            1
        ),
        "The temperature has no effect: your weights are exp(cos). They should be "
        "exp(cos / T).": _votes(near, y, k, torch.exp).argmax(1),
        "The temperature has no effect: your weights are the cosines themselves. They should be "
        "exp(cos / T).": _votes(near, y, k).argmax(1),
        "You took the *smallest* cosines: a cosine is a similarity, not a distance, and the "
        "nearest has the largest.": _votes(near, y, k, weight, order=-near).argmax(1),
        "You took as many neighbours as there are classes (5). k has nothing to do with the "
        "number of classes: it is the argument (20 in the paper).": _votes(
            near, y, 5, weight
        ).argmax(1),
        "You always take 20 neighbours. Use the argument k.": _votes(near, y, 20, weight).argmax(1),
        "Your temperature is always 0.07. Use the argument temperature.": _votes(
            near, y, k, lambda s: (s / 0.07).exp()
        ).argmax(1),
        "You averaged the weights of each class, so that one close neighbour beats ten a little "
        "further off. Sum them: every vote counts.": (
            _votes(near, y, k, weight) / _votes(near, y, k, torch.ones_like).clamp(min=1)
        ).argmax(1),
        "Your answer is the label of the one nearest neighbour (k = 1). All k have a vote; sum "
        "their weights per class.": y[near.argmax(1)],
        "All images of the bank vote. Only the k nearest should: topk(k).": _votes(
            near, y, len(y), weight
        ).argmax(1),
        "Your weights come from distances, exp(-distance / T), and not from cosines.": _votes(
            near, y, k, weight=lambda s: (-(2 - 2 * s).clamp(min=0).sqrt() / temp).exp()
        ).argmax(1),
        "Your neighbours are those with the largest *distances*. topk takes the largest; for "
        "distances pass largest=False.": _votes(
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
    near = _similarities(t, x)
    # Queries whose outcome hangs on rounding are left out.
    cut = near.sort(dim=1, descending=True).values
    sure = cut[:, k - 1] - cut[:, k] > 1e-5
    for temp in temps:
        top = _votes(near, y, k, lambda s, temp=temp: (s / temp).exp()).topk(2, dim=1).values
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
        [_votes(near, y, k, lambda s, temp=temp: (s / temp).exp()).argmax(1) for temp in temps]
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
        _votes(near, y, 20, lambda s: (s / 0.07).exp()).argmax(1),
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


# ---------------------------------------------------------------- the linear probe


def _probe(
    x: Tensor,
    y: Tensor,
    test: Tensor,
    rate: float,
    steps: int,
    momentum: float = 0.9,
    schedule=None,
    accumulate: bool = False,
    total: bool = False,
    decay: float = 0.0,
    bias: bool = True,
    twice: bool = False,
) -> Tensor:
    """Test logits after SGD on x as it is, with the softmax's gradient written out.

    With ``twice`` the cross-entropy, which takes a softmax, was given probabilities.
    """
    x, test = x.double(), test.double()
    one = float(bias)
    x, test = (torch.cat([v, torch.full((len(v), 1), one).double()], dim=1) for v in (x, test))
    target = torch.eye(int(y.max()) + 1).double()[y]
    w = torch.zeros(x.shape[1], target.shape[1], dtype=torch.float64)
    v, kept = torch.zeros_like(w), torch.zeros_like(w)
    schedule = schedule or (lambda s: 0.5 * (1 + torch.cos(torch.tensor(torch.pi * s / steps))))
    for step in range(steps):
        p = torch.softmax(x @ w, dim=1)
        error = torch.softmax(p, dim=1) - target if twice else p - target
        if twice:
            error = p * (error - (p * error).sum(1, keepdim=True))
        g = x.T @ error / (1 if total else len(x))
        kept = kept + g if accumulate else g
        v = momentum * v + kept + decay * w
        w = w - rate * float(schedule(step)) * v
    return test @ w


def _standard(v: Tensor, by: Tensor, unbiased: bool = True) -> Tensor:
    return (v - by.mean(0)) / by.std(0, unbiased=unbiased)


def _probe_mistakes(x: Tensor, y: Tensor, t: Tensor, rate: float, steps: int) -> dict[str, Tensor]:
    """What goes wrong in a probe, and the logits (M, C) it gives."""
    x0, t0 = _standard(x, x), _standard(t, x)
    want = _probe(x0, y, t0, rate, steps)
    everything = torch.cat([x, t])
    return {
        "You standardised the test features with the *test* set's mean and standard "
        "deviation. A test image is judged alone, by what was known before it came: use "
        "those of the training features.": _probe(x0, y, _standard(t, t), rate, steps),
        "The mean and standard deviation are of training and test features together. "
        "The test set must take no part: use those of the training features.": _probe(
            _standard(x, everything), y, _standard(t, everything), rate, steps
        ),
        "You standardised the training features but not the test features. The probe "
        "has never seen numbers like those.": _probe(x0, y, t, rate, steps),
        "You did not standardise. Features of different models have different scales, "
        "and one learning rate could not serve them all.": _probe(x, y, t, rate, steps),
        "You took the mean away but did not divide by the standard deviation.": _probe(
            x - x.mean(0), y, t - x.mean(0), rate, steps
        ),
        "You standardised each image over its own features (dim 1). Each feature has a "
        "mean over the training images: dim=0.": _probe(
            *(
                (v - v.mean(1, keepdim=True)) / v.std(1, keepdim=True) if i != 1 else v
                for i, v in enumerate((x, y, t))
            ),
            rate,
            steps,
        ),
        "One mean and one standard deviation for all features. Each feature has its own: dim=0, or "
        "a few large ones drown the rest.": _probe(
            (x - x.mean()) / x.std(), y, (t - x.mean()) / x.std(), rate, steps
        ),
        "You brought the features to length 1 first. That is k-NN's business; the probe takes them "
        "as they come, standardised.": _probe(
            _standard(_unit(x), _unit(x)), y, _standard(_unit(t), _unit(x)), rate, steps
        ),
        "There is no bias: logits = W^T (z - mu) / sigma + b, and b is trained, too.": _probe(
            x0, y, t0, rate, steps, bias=False
        ),
        "Your learning rate is 0 in the last step already. At step s of S it is "
        "rate * (1 + cos(pi s / S)) / 2, with s from 0 to S - 1.": _probe(
            x0,
            y,
            t0,
            rate,
            steps,
            schedule=lambda s: 0.5 * (1 + torch.cos(torch.tensor(torch.pi * s / (steps - 1)))),
        ),
        "There is no momentum; it should be 0.9.": _probe(x0, y, t0, rate, steps, momentum=0.0),
        "Your learning rate stays the same to the end. It should fall to 0 by a cosine: "
        "rate * (1 + cos(pi step / steps)) / 2.": _probe(
            x0, y, t0, rate, steps, schedule=lambda s: 1.0
        ),
        "Your learning rate moves before the first step is made. Step 0 has the full "
        "rate: optimizer.step() first, then scheduler.step().": _probe(
            x0,
            y,
            t0,
            rate,
            steps,
            schedule=lambda s: 0.5 * (1 + torch.cos(torch.tensor(torch.pi * (s + 1) / 12))),
        ),
        "Your learning rate falls in a straight line; it should fall by a cosine.": _probe(
            x0, y, t0, rate, steps, schedule=lambda s: 1 - s / steps
        ),
        "Gradients of all steps add up: optimizer.zero_grad() is missing before "
        "backward().": _probe(x0, y, t0, rate, steps, accumulate=True),
        "Your loss is the sum over the images; it should be their mean, or the learning "
        "rate would depend on how many there are.": _probe(x0, y, t0, rate, steps, total=True),
        "You made one step too few: there should be `steps` of them.": _probe(
            x0,
            y,
            t0,
            rate,
            steps - 1,
            schedule=lambda s: 0.5 * (1 + torch.cos(torch.tensor(torch.pi * s / steps))),
        ),
        "You gave the cross-entropy probabilities. F.cross_entropy takes the softmax itself: give "
        "it the logits.": _probe(x0, y, t0, rate, steps, twice=True),
        "These are probabilities; return the logits, before the softmax.": torch.softmax(
            want, dim=1
        ),
        "These are log-probabilities; return the logits, before the softmax.": torch.log_softmax(
            want, dim=1
        ),
        "All logits are 0: nothing was trained.": torch.zeros_like(want),
    } | {
        f"The weights decay ({decay:g}). The probe has no weight decay.": _probe(
            x0, y, t0, rate, steps, decay=decay
        )
        for decay in (1e-4, 1e-3, 5e-4, 1e-2, 0.04)
    }


@check("8.3", "a linear probe")
def check_8_3(fit_probe):
    centers = torch.randn(4, 6)
    y = torch.arange(60) % 4
    scale, shift = torch.tensor([0.1, 0.5, 1.0, 2.0, 4.0, 9.0]), torch.randn(6)
    x = (centers[y] + 0.8 * torch.randn(60, 6)) * scale + shift
    # Not drawn as the training features are: classes 0 and 1 only.
    t = (centers[torch.arange(10) % 4 // 2] + 0.8 * torch.randn(10, 6)) * scale + shift
    rate, steps = 0.5, 12
    source, test_source = x.clone().requires_grad_(), t.clone().requires_grad_()
    leak = (
        "Gradients flow into the features, and through them into the backbone: that is "
        "fine-tuning, and the features are no longer frozen. detach() them first."
    )
    try:
        got = call(fit_probe, source, y, test_source, rate, steps)
    except RuntimeError as error:
        # The graph above the loop is used by every step, and freed by the first.
        if "backward through the graph a second time" not in str(error):
            raise
        raise Wrong(leak) from None
    expect(source.grad is None and test_source.grad is None, leak)
    shape = tuple(getattr(got, "shape", ()))
    expect(
        shape != (60, 4),
        "These are logits of the training features. Return those of the test features.",
    )
    expect(shape != (10,), "You returned labels; here the logits are asked for, (M, C).")
    expect_tensor(got, (10, 4), "(M, C)")
    expect(
        not got.requires_grad,
        "The logits carry a graph; a result to be kept should not. detach() it.",
    )
    # The standard deviation of n numbers is divided by n or by n - 1; both are right.
    want, other = (
        _probe(_standard(x, x, u), y, _standard(t, x, u), rate, steps) for u in (True, False)
    )
    if not close(got, other) and not close(got, want):
        untrained = call(fit_probe, x, y, t, 0.0, 1)
        expect(
            close(untrained, untrained[:1, :1].expand_as(untrained)),
            "At a learning rate of 0 your logits are not 0: the weights start at random numbers, "
            "as nn.Linear's do. Start weight and bias at 0, and the result is the same each time.",
        )
        # Adam's first step moves every weight by the learning rate, whatever its gradient. (The
        # bias's is 0 but for rounding, so what is the same for all images is left out.)
        gradient = _standard(x, x).T @ (0.25 - torch.eye(4)[y])
        by_adam = -rate * _standard(t, x) @ gradient.sign()
        first = call(fit_probe, x, y, t, rate, 1)
        expect(
            not close(first - first.mean(0), by_adam - by_adam.mean(0), 1e-3),
            "This is Adam. The probe is trained by SGD with momentum 0.9.",
        )
        mistakes = _probe_mistakes(x, y, t, rate, steps)
        expect_close(got, want, mistakes, names="(M, C)", what="The matrix of test logits")
    # A feature that is 0 in every image, as a box of colours may be, changes nothing.
    x, t = (torch.cat([v, torch.zeros(len(v), 1)], dim=1) for v in (x, t))
    got_with = call(fit_probe, x, y, t, rate, steps)
    expect(
        close(got_with, got),
        "A feature that is 0 in every image should change nothing, but its standard deviation is 0 "
        "and yours becomes 0 / 0. Divide by a small number there: std.clamp(min=1e-6).",
    )


# ---------------------------------------------------------------- retrieval


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
    near = _similarities(x, x)
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
    over_rows = _unit(x, dim=0) @ _unit(x, dim=0).T
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


# ---------------------------------------------------------------- choosing k


@check("8.5", "choose k without the test set")
def check_8_5(choose_k_and_score):
    x, y, t, ty, held_out = _overlapping()
    candidates = (8, 1, 20, 60, 3)  # no k is the position of another

    def accuracy(bank, bank_labels, queries, labels, k):
        votes = _votes(_similarities(queries, bank), bank_labels, k, lambda s: (s / 0.07).exp())
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
