"""A wrong answer's picture: the right one is right, and what cannot be drawn costs nothing."""

import re
import time
from pathlib import Path

import pytest
import torch

from minidino import checks
from minidino.checks import beside
from minidino.checks.core import Wrong, check
from minidino.course.notebooks import find, read

ROOT = Path(__file__).resolve().parents[1]


def named(number: str, code: str | None = None):
    """The function of an exercise: the worked notebook's, or what ``code`` defines."""
    source = {c.id: c.source for c in read(find(number.split(".")[0], "solutions")).cells}
    names: dict = {}
    exec(source["setup"], names)
    right = source[f"exercise-{number.replace('.', '-')}"]
    exec(code or right, names)
    return names[re.findall(r"^def (\w+)", right, re.MULTILINE)[-1]]


def wrong(number: str, slug: str) -> str:
    nn, n = number.split(".")
    return (ROOT / f"tests/wrong_answers/{int(nn):02d}/{nn}_{n}_{slug}.py").read_text()


@pytest.fixture
def shown(monkeypatch):
    """The figures that are shown, as if in a notebook."""
    found = []
    monkeypatch.setattr(beside, "_in_a_notebook", lambda: True)
    monkeypatch.setattr(beside.plt, "show", lambda: found.append(beside.plt.gcf()))
    yield found
    beside.plt.close("all")


@pytest.mark.parametrize("number", sorted(set(beside.PICTURES) - set(beside.RANDOM)))
def test_what_is_called_right_is_what_the_solution_gives(number):
    yours, right = beside.pair(number, named(number))
    assert yours.ndim in (2, 3) and right.std() > 0.05  # there is something to see
    torch.testing.assert_close(yours, right, atol=1e-3, rtol=0)


def test_this_is_no_notebook():
    assert not beside._in_a_notebook()


@pytest.mark.parametrize(
    ("number", "slug"),
    [
        ("2.1", "column_major"),
        ("3.1", "rows_backwards"),
        ("3.2", "all_flipped"),
        ("9.1", "patch_row"),
        ("9.2", "batch_together"),
        ("13.6", "mask_shuffled"),
    ],
)
def test_a_difference_is_there_to_be_seen(number, slug):
    yours, right = beside.pair(number, named(number, wrong(number, slug)))
    assert yours.shape != right.shape or (yours - right).abs().max() > 0.2


def test_a_wrong_mask_is_shown_beside_the_right_one(shown):
    with pytest.raises(Wrong):
        checks.check_9_2(lambda maps, keep=0.6: maps > maps.mean((-2, -1), keepdim=True))
    (figure,) = shown
    assert [ax.get_title() for ax in figure.axes] == ["yours", "right"]
    yours, right = (ax.images[0].get_array() for ax in figure.axes)
    assert yours.shape == right.shape == (10, 20) and (yours != right).any()


@pytest.mark.parametrize(
    "answer",
    [
        lambda maps, keep=0.6: maps[..., :1] > 0.1,  # of another shape
        lambda maps, keep=0.6: maps.flatten(-2),
        lambda maps, keep=0.6: 1 / 0,
        lambda maps, keep=0.6: "all of them",
        lambda maps, keep=0.6: torch.full(maps.shape, float("nan")).bool() & (maps < 0),
    ],
)
def test_what_cannot_be_drawn_costs_no_second_error(shown, answer):
    with pytest.raises(Wrong, match=r"^9\.2 "):
        checks.check_9_2(answer)
    assert len(beside.plt.get_fignums()) == len(shown)  # no empty axes are left behind


def test_what_looks_right_is_not_drawn(shown):
    beside.show("9.2", named("9.2"))
    assert not shown


def test_an_answer_that_changes_its_input_spoils_nothing():
    _, before = beside.pair("3.5", named("3.5"))
    _, after = beside.pair("3.5", named("3.5", wrong("3.5", "in_place")))
    assert torch.equal(before, after)


@pytest.mark.parametrize("slug", ["condition_turned_round", "no_root_in_a_loop"])
def test_a_loop_that_its_check_names_does_not_hang_the_picture(shown, slug, monkeypatch):
    monkeypatch.setattr("minidino.checks.core.BRIEF", 0.5)
    began = time.monotonic()
    with pytest.raises(Wrong, match=r"^3\.3 "):
        checks.check_3_3(named("3.3", wrong("3.3", slug)))
    assert time.monotonic() - began < 30 and not shown


def test_an_endless_answer_is_not_started_a_second_time(shown, monkeypatch):
    monkeypatch.setattr("minidino.checks.core.LIMIT", 0.2)
    calls = []

    @check("9.2", "a loop")
    def examine(answer):
        answer(None)

    def endless(_):
        calls.append(1)
        while True:
            pass

    with pytest.raises(Wrong, match="still running"):
        examine(endless)
    assert len(calls) == 1 and not shown


def test_a_picture_leaves_gradients_as_they_were(shown):
    def off(maps, keep=0.6):
        torch.set_grad_enabled(False)
        return maps > 0

    with pytest.raises(Wrong):
        checks.check_9_2(off)
    assert torch.is_grad_enabled()
