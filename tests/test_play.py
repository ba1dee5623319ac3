"""Cells to play with: sliders where there is ipywidgets, a row of pictures elsewhere."""

import matplotlib.pyplot as plt
import pytest

from minidino.course import play as module
from minidino.course.notebooks import read
from minidino.course.place import home

NOTEBOOKS = {p.name[:2]: read(p) for p in sorted((home() / "solutions").glob("[0-9]*.ipynb"))}


@pytest.fixture
def drawn():
    """What ``draw`` was called with, and nothing left open."""
    calls = []
    yield lambda ax, **values: calls.append(values) or ax.set_title(str(values)), calls
    plt.close("all")


@pytest.mark.parametrize("without", ["widgets", "sliders"])
def test_a_row_of_pictures_where_there_are_no_sliders(without, drawn, monkeypatch, capsys):
    draw, calls = drawn
    if without == "widgets":
        monkeypatch.setattr(module, "widgets", None)
    else:
        monkeypatch.setenv("MINIDINO_STATIC", "1")
    module.play(draw, tau=[1, 2, 3], center=[0.0, 0.5, 1.0], seed=[7])
    assert calls == [{"tau": t, "center": 0.5, "seed": 7} for t in (1, 2, 3)]
    assert len(plt.gcf().axes) == 3
    out = capsys.readouterr().out
    assert "tau = [1, 2, 3]; center = 0.5, seed = 7" in out and "ipywidgets" in out


def test_a_slider_that_moves_draws_again(drawn, monkeypatch):
    pytest.importorskip("ipywidgets")
    draw, calls = drawn
    made = []
    slider = module.widgets.SelectionSlider
    monkeypatch.delenv("MINIDINO_STATIC", raising=False)
    monkeypatch.setattr(
        module.widgets, "SelectionSlider", lambda **kw: made.append(slider(**kw)) or made[-1]
    )
    module.play(draw, tau=[1, 2, 3], picture=["star", "fish"])
    assert [s.description for s in made] == ["tau", "picture"]
    made[0].value = 3
    assert calls == [{"tau": 2, "picture": "fish"}, {"tau": 3, "picture": "fish"}]


@pytest.mark.parametrize("nn", NOTEBOOKS)
def test_every_notebook_has_one_that_asks_for_a_guess_first(nn):
    ids = [c.id for c in NOTEBOOKS[nn].cells]
    assert ids.count("play") == ids.count("play-text") == 1
    assert ids.index("play") == ids.index("play-text") + 1
    text, code = (NOTEBOOKS[nn].cells[ids.index(i)].source for i in ("play-text", "play"))
    assert "\n\n## Play\n" in "\n\n" + text and "**What do you expect?**" in text
    assert "from minidino.course.play import play" in code


# What a play cell uses of the cells above it, besides ``setup``.
ABOVE = {
    "00": ("data", "data-figure", "finished-weights", "finished-figure"),
    "03": ("figure-views",),
    "08": ("data",),
    "09": ("data",),
    "11": ("weights",),
    "13": ("data",),
}


@pytest.mark.parametrize("nn", NOTEBOOKS)
def test_every_value_of_every_slider_can_be_drawn(nn, monkeypatch):
    def all_values(draw, size=None, **choices):
        middle = {name: values[len(values) // 2] for name, values in choices.items()}
        for name, values in choices.items():
            assert len(values) > 1, name
            for value in values:
                figure, ax = plt.subplots()
                draw(ax, **(middle | {name: value}))
                assert ax.has_data() and ax.get_title(), (name, value)
                plt.close(figure)

    monkeypatch.setenv("MINIDINO_SMOKE", "1")
    monkeypatch.setattr(module, "play", all_values)
    names = {"__name__": "notebook"}
    for cell in NOTEBOOKS[nn].cells:
        if cell.cell_type == "code" and cell.id in ("setup", "play", *ABOVE.get(nn, ())):
            exec(cell.source, names)
    plt.close("all")
