"""A check can tell known mistakes from the right answer and from each other on what it asks.

``minidino.checks.compare`` names a mistake that agrees with an answer in every case. That
means something only if no two mistakes agree with each other there: this is the matrix.
"""

import itertools

import pytest
from test_notebooks import EXERCISES, run_exercise, solution

from minidino.checks import compare


@pytest.mark.parametrize(("nn", "exercise"), EXERCISES)
def test_no_two_mistakes_look_alike(nn, exercise, monkeypatch):
    heard: list = []
    monkeypatch.setattr(compare, "heard", heard)
    run_exercise(nn, exercise, solution(nn, exercise))
    alike = []
    for what, cases, want, mistakes, tolerance in heard:
        outcomes = {
            message: [compare.outcome(function, case) for case in cases]
            for message, function in {"THE RIGHT ANSWER": want, **mistakes}.items()
        }
        for (a, xs), (b, ys) in itertools.combinations(outcomes.items(), 2):
            if all(compare.same(x, y, tolerance) for x, y in zip(xs, ys, strict=True)):
                alike.append(f"{what}: {a} | {b}")
    assert not alike, "\n".join(alike)


@pytest.mark.parametrize(("nn", "exercise"), EXERCISES)
def test_a_comparison_has_two_cases(nn, exercise, monkeypatch):
    heard: list = []
    monkeypatch.setattr(compare, "heard", heard)
    run_exercise(nn, exercise, solution(nn, exercise))
    assert all(len(cases) > 1 for _, cases, *_ in heard)
