"""minidino.schedules against the official formulas, step by step in float64."""

import math

import numpy as np
import pytest
import torch

from minidino.schedules import cosine_schedule, linear_warmup


def official_cosine(base, final, total, warmup, start):
    """numpy.linspace up, then half a cosine over the steps that are left."""
    n = total - warmup
    cosine = [final + 0.5 * (base - final) * (1 + math.cos(math.pi * i / n)) for i in range(n)]
    return np.concatenate([np.linspace(start, base, warmup), cosine])


@pytest.mark.parametrize(
    "base, final, total, warmup, start",
    [
        (5e-4, 1e-6, 300, 30, 0.0),  # learning rate
        (0.04, 0.4, 300, 0, 0.0),  # weight decay: upwards
        (0.996, 1.0, 300, 0, 0.0),  # teacher momentum
        (1.0, 0.1, 50, 10, 0.5),
        (1.0, 0.0, 7, 1, 0.25),  # a warm-up of one step is its start
        (1.0, 0.0, 7, 6, 0.0),
        (1.0, 0.0, 7, 7, 0.0),  # nothing but warm-up
        (1.0, 0.0, 1, 0, 0.0),
    ],
)
def test_cosine_equals_the_official_formula_at_each_step(base, final, total, warmup, start):
    got = cosine_schedule(base, final, total, warmup, start)
    assert got.shape == (total,) and got.dtype == torch.float64
    expected = official_cosine(base, final, total, warmup, start)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-15)


def test_cosine_worked_by_hand():
    """Up 0, 1/2, 1; down from 1 through the midpoint; the final 0 would be the step after."""
    got = cosine_schedule(1.0, 0.0, total_steps=7, warmup_steps=3).tolist()
    quarter = math.sqrt(2) / 4
    assert got == pytest.approx([0.0, 0.5, 1.0, 1.0, 0.5 + quarter, 0.5, 0.5 - quarter])


def test_float64_keeps_a_momentum_close_to_one_apart_from_one():
    """In float32 the last hundred values of a long run would round to exactly 1."""
    momentum = cosine_schedule(0.996, 1.0, 1_000_000)
    assert (momentum < 1.0).all() and (momentum.diff() > 0).all()


@pytest.mark.parametrize("warmup", [11, -1])
def test_cosine_refuses_a_warmup_that_does_not_fit(warmup):
    with pytest.raises(ValueError, match=f"{warmup} warm-up steps do not fit in 10"):
        cosine_schedule(1.0, 0.0, 10, warmup)


@pytest.mark.parametrize(
    "start, end, total, warmup", [(0.04, 0.07, 100, 30), (0.07, 0.04, 5, 4), (0.04, 0.07, 5, 1)]
)
def test_linear_warmup_is_the_official_line_then_constant(start, end, total, warmup):
    got = linear_warmup(start, end, total, warmup)
    assert got.shape == (total,) and got.dtype == torch.float64
    expected = np.concatenate([np.linspace(start, end, warmup), np.ones(total - warmup) * end])
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


def test_linear_warmup_of_no_steps_is_the_end_from_the_first_step():
    assert linear_warmup(0.04, 0.07, 5, 0).tolist() == pytest.approx([0.07] * 5)
