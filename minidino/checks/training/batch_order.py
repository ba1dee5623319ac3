"""Exercise 7.5, the batches of an epoch: tells apart images that come twice or never, orders that
repeat across epochs or seeds, and those that touch the global random state.
"""

import builtins
import itertools
import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from minidino.checks.core import Wrong, call, check, expect, expect_tensor

NOTHING_LEFT = (
    "Nothing is left where the images divide into batches: n % batch_size is 0 then, and a slice "
    "that ends at -0 ends at 0, so it is empty. Keep the first n // batch_size * batch_size."
)


@check("7.5", "every image once, in a new order")
def check_7_5(epoch_batches):
    def ask(n: int, batch_size: int, seed: int, epoch: int) -> Tensor:
        try:
            got = call(epoch_batches, n, batch_size, seed, epoch)
        except RuntimeError as error:
            if "invalid for input of size" not in str(error):
                raise
            expect(n % batch_size > 0 or "of size 0" not in str(error), NOTHING_LEFT)
            raise Wrong(
                f"{n} images do not divide into batches of {batch_size}. Keep only the first "
                f"n // batch_size * batch_size = {n // batch_size * batch_size} of the "
                "permutation, then cut."
            ) from None
        expect(
            not isinstance(got, list | tuple),
            f"The result should be a tensor; yours is a {type(got).__name__}. Cut with .view(-1, "
            "batch_size), or torch.stack the batches.",
        )
        if isinstance(got, Tensor):
            expect(got.numel() > 0 or n % batch_size > 0, NOTHING_LEFT)
            expect(
                n % batch_size == 0 or got.shape != (n // batch_size + 1, batch_size),
                f"There is a batch too many: {n} images fill {n // batch_size} batches of "
                f"{batch_size}. What does not fill a last batch is dropped, not filled up with "
                "images that come twice.",
            )
            expect(
                got.ndim != 1,
                "You returned one line of indices. Cut it into batches: row i holds the indices of "
                "batch i.",
            )
            expect(
                got.shape != (batch_size, n // batch_size) or batch_size == n // batch_size,
                "Rows and columns are exchanged: row i holds the batch_size indices of batch i.",
            )
        expect_tensor(got, (n // batch_size, batch_size), "(batches, batch_size)")
        expect(
            got.dtype == torch.int64,
            f"The indices are {got.dtype}; an index is a whole number, torch.int64.",
        )
        expect(
            got.min() >= 0 and got.max() < n,
            f"Your indices run from {got.min()} to {got.max()}. {n} images are numbered from 0 to "
            f"{n - 1}.",
        )
        return got

    # By hand: four images in two batches can only be 0, 1, 2, 3 in some order.
    judge_cover(ask(4, 2, 0, 0), 4)
    first = ask(60, 5, 3, 0)
    judge_cover(first, 60)
    judge_shuffled(first, 5)
    judge_chance(ask, first)
    judge_hash(ask)
    other = ask(60, 5, 3, 1)
    expect(
        not torch.equal(first, other),
        _lost(ask, 3, 0, 1)
        or "The permutation is the same in every epoch: the same images meet in a batch for ever. "
        "Let the epoch take part in the seed.",
    )
    expect(
        {tuple(sorted(row)) for row in first.tolist()}
        != {tuple(sorted(row)) for row in other.tolist()},
        "The same images meet in a batch in every epoch; only the batches, or the places in them, "
        "change. Permute all images anew.",
    )
    judge_anew(first, other)
    orders = {e: ask(60, 5, 3, e) for e in range(50)}
    for a, b in itertools.combinations(orders, 2):
        expect(
            not torch.equal(orders[a], orders[b]),
            f"Epochs {a} and {b} have one order, and in each batch the same images meet. Let the "
            "whole number of the epoch take part in the seed.",
        )
    expect(
        not torch.equal(first, ask(60, 5, 4, 0)) and not torch.equal(other, ask(60, 5, 4, 1)),
        _lost(ask, 4, 0, 0)
        or "Another seed gives the same order, so runs that should differ by chance share it. Let "
        "the seed take part, also in epoch 0.",
    )
    judge_collisions(ask)
    epochs = [ask(23, 4, 0, epoch) for epoch in range(40)]
    for epoch in epochs:
        judge_cover(epoch, 23)
    expect(
        len(torch.cat(epochs).unique()) == 23,
        "Some images are never seen: 23 do not divide into batches of 4, and you leave the same "
        "ones out in every epoch. Permute all n first, then drop what does not fill a batch.",
    )


def _lost(ask: Callable, seed: int, epoch: int, other: int) -> str:
    """What to say if a generator got another number than for seed 3, and the same lower 32 bits.

    Args:
        other: the epoch of seed 3.
    """
    real, heard = torch.Generator, []

    class Heard(real):
        def manual_seed(self, number: int) -> torch.Generator:
            heard.append(number)
            return super().manual_seed(number)

    torch.Generator = Heard
    try:
        ask(60, 5, 3, other), ask(60, 5, seed, epoch)
    finally:
        torch.Generator = real
    if len(heard) != 2 or heard[0] == heard[1] or (heard[0] - heard[1]) % 2**32:
        return ""
    return (
        "You give the generator other numbers, and the order is the same: PyTorch's generator on "
        "the CPU reads the lower 32 bits of a seed only, and yours differ above them (a shift by "
        "32, << 32, or times 2 ** 32)."
    )


def judge_anew(first: Tensor, other: Tensor) -> None:
    """The order of another epoch is not the first one's, moved along or turned round."""
    line, place = first.flatten(), torch.empty(first.numel(), dtype=torch.int64)
    place[line] = torch.arange(len(line))
    steps = place[other.flatten()].diff() % len(line)
    expect(
        (steps == steps.mode().values).sum() < len(steps) / 2,
        "One epoch's order is another's, shifted or turned round (roll, flip): the same images "
        "follow each other for ever, and mostly meet in a batch. Draw a new permutation.",
    )


def judge_collisions(ask: Callable) -> None:
    """No epoch of one seed is an epoch of another."""
    small = {(s, e): ask(60, 5, s, e) for s in range(5) for e in range(14)}
    seen: dict[tuple, tuple] = {}
    shared = (
        "Epoch {1} of seed {0} is epoch {3} of seed {2}: you mixed seed and epoch by something "
        'like {like}, and two runs share their orders. seed_of(seed, "order", epoch) gives '
        "unrelated ones."
    )
    for pair, order in small.items():
        key = tuple(order.flatten().tolist())
        expect(
            key not in seen,
            shared.format(*seen.get(key, (0, 0)), *pair, like="seed + epoch"),
        )
        seen[key] = pair
    for step in (10, 20, 31, 32, 37, 50, 64, 97, 99, 100, 101, 128, 200, 256, 500, 512, 997, 999,
                 1000, 1001, 1009, 1024, 2048, 4096, 5000, 7919, 9999, 10000, 10007):  # fmt: skip
        order = ask(60, 5, 2, step)
        expect(
            not torch.equal(order, small[3, 0]),
            shared.format(3, 0, 2, step, like=f"{step} * seed + epoch"),
        )
        order = ask(60, 5, step, 1)
        expect(
            not torch.equal(order, small[0, 2]),
            shared.format(0, 2, step, 1, like=f"seed + {step} * epoch"),
        )
    for s, e in ((1, 111), (11, 11), (11, 1), (1, 11), (12, 3), (1, 23)):
        order = tuple(ask(60, 5, s, e).flatten().tolist())
        expect(
            seen.setdefault(order, (s, e)) == (s, e),
            shared.format(*seen[order], s, e, like="the two numbers written one after the other"),
        )


def judge_hash(ask: Callable) -> None:
    """Python salts the hash of a string anew in every process."""
    salted, honest = [], builtins.hash

    def heard(value: object) -> int:
        inside = value if isinstance(value, tuple) else (value,)
        if any(isinstance(x, str | bytes) for x in inside):
            salted.append(value)
        return honest(value)

    builtins.hash = heard
    try:
        ask(60, 5, 3, 0)
    finally:
        builtins.hash = honest
    expect(
        not salted,
        "Python's hash of a string is another number in every process, so a resumed run would see "
        'other images. seed_of(seed, "order", epoch) is the same everywhere.',
    )


def judge_cover(got: Tensor, n: int) -> None:
    """No image twice."""
    expect(
        len({tuple(sorted(row)) for row in got.tolist()}) > 1 or len(got) < 2,
        "Every batch holds the same images. Cut one permutation into rows: row i is its piece "
        "number i.",
    )
    expect(
        got.shape[1] < 2 or len(got) < 2 or not torch.equal(got[1:, :-1], got[:-1, 1:]),
        "Each batch begins one image after the one before it, so they overlap. Batch i is "
        "order[i * batch_size : (i + 1) * batch_size].",
    )
    seen = got.flatten().bincount(minlength=n)
    repeated = int((seen > 1).sum())
    expect(
        not repeated,
        f"{repeated} of {n} images come more than once in an epoch, and others not at all: "
        "sampling with replacement. A permutation has each once: torch.randperm.",
    )


def judge_shuffled(got: Tensor, batch_size: int) -> None:
    n = got.numel()
    expect(
        not torch.equal(got.flatten(), torch.arange(n)),
        "The images come in the order they lie in, unshuffled. Neighbours in a file are often of "
        "one class.",
    )
    blocks = got.sort(dim=1).values
    expect(
        not (blocks == blocks[:, :1] + torch.arange(batch_size)).all(),
        "Every batch is a run of neighbours: you shuffled within batches, or whole batches. "
        "Permute the images, then cut.",
    )


def judge_chance(ask: Callable, first: Tensor) -> None:
    """The order follows from seed and epoch, and nothing else is disturbed."""

    def scatter(seed: int) -> None:
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        scatter(123)
        before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        again = ask(60, 5, 3, 0)
        after = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        scatter(123)
        repeated = ask(60, 5, 3, 0)
        scatter(321)
        third = ask(60, 5, 3, 0)
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])
    expect(
        torch.equal(first, again) or torch.equal(again, repeated),
        "The same seed and epoch give another order each time, whatever the global random state: "
        "something goes on from call to call, a generator that is kept, a counter, the time. Make "
        "a generator anew in each call: torch.Generator().manual_seed(...).",
    )
    expect(
        torch.equal(first, again) and torch.equal(first, third),
        "The same seed and epoch give another order each time: it depends on the global random "
        "state. A resumed run would see other images, and two loaders, of student and teacher, "
        "would be shuffled apart. Use a torch.Generator of your own.",
    )
    undisturbed = (
        torch.equal(before[0], after[0])
        and np.array_equal(before[1], after[1])
        and before[2] == after[2]
    )
    expect(
        undisturbed,
        "You seed the global random state, so everything else that is random (drop path) begins "
        "anew with every epoch. Use a torch.Generator of your own: "
        "torch.Generator().manual_seed(...).",
    )
