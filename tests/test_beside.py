"""A wrong answer's picture: the right one is right, and nothing is drawn for no reason."""

import re

import pytest
import torch

from minidino import checks
from minidino.checks import beside
from minidino.checks.core import Wrong, check
from minidino.course.notebooks import find, read


def solution(number):
    """The function of an exercise, from the worked notebook."""
    notebook = read(find(number.split(".")[0], "solutions"))
    source = {c.id: c.source for c in notebook.cells}
    names = {}
    exec(source["setup"], names)
    code = source[f"exercise-{number.replace('.', '-')}"]
    exec(code, names)
    return names[re.findall(r"^def (\w+)", code, re.MULTILINE)[-1]]


@pytest.mark.parametrize("number", sorted(set(beside.PICTURES) - set(beside.RANDOM)))
def test_what_is_called_right_is_what_the_solution_gives(number):
    yours, right = beside.PICTURES[number](solution(number))
    torch.testing.assert_close(
        torch.as_tensor(yours).float(), torch.as_tensor(right).float(), atol=1e-3, rtol=0
    )


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, as if in a notebook."""
    found = []
    monkeypatch.setattr(beside, "_in_a_notebook", lambda: True)
    monkeypatch.setattr(beside.plt, "show", lambda: found.append(beside.plt.gcf()))
    yield found
    beside.plt.close("all")


def test_a_wrong_mask_is_shown_beside_the_right_one(shown):
    with pytest.raises(Wrong):
        checks.attention.check_9_2(lambda maps, keep=0.6: maps > maps.mean((-2, -1), keepdim=True))
    (figure,) = shown
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["yours", "right"]
    yours, right = (ax.images[0].get_array() for ax in figure.axes)
    assert yours.shape == right.shape == (10, 10) and (yours != right).any()


@pytest.mark.parametrize(
    "answer",
    [
        lambda maps, keep=0.6: maps[..., :1] > 0.1,  # of another shape: nothing to lay beside
        lambda maps, keep=0.6: 1 / 0,
        lambda maps, keep=0.6: maps.reshape(-1, 7, 7, 7),
    ],
)
def test_what_cannot_be_drawn_costs_no_second_error(shown, answer):
    with pytest.raises(Wrong, match=r"^9\.2 "):
        checks.attention.check_9_2(answer)
    assert all(len(figure.axes) == 2 for figure in shown)


def test_nothing_is_drawn_outside_of_a_notebook_or_after_a_right_answer(shown, monkeypatch):
    checks.attention.check_9_2(solution("9.2"))
    assert not shown
    monkeypatch.setattr(beside, "_in_a_notebook", lambda: False)
    with pytest.raises(Wrong):
        checks.attention.check_9_2(lambda maps, keep=0.6: maps > 0)
    assert not shown


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
