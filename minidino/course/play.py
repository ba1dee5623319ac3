"""A cell to play with: sliders where ipywidgets is installed, and a row of pictures elsewhere."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt

try:
    import ipywidgets as widgets
except ImportError:
    widgets = None


def play(
    draw: Callable[..., None], size: tuple[float, float] = (4.5, 3.2), **choices: Sequence[Any]
) -> None:
    """Draw, and draw again whenever a slider is moved.

    Args:
        draw: ``draw(ax, **values)`` draws into the axes for one value of each choice.
        size: of one picture, in inches.
        choices: name of an argument of ``draw`` -> its values. Each begins in the middle.

    Without ipywidgets, or where ``MINIDINO_STATIC=1`` (the kept outputs of the solutions), there is
    one picture for each value of the first choice; the others stay in the middle.
    """
    middle = {name: values[len(values) // 2] for name, values in choices.items()}
    if widgets is None or os.environ.get("MINIDINO_STATIC") == "1":
        first, *_ = choices
        values = choices[first]
        _, row = plt.subplots(
            1, len(values), figsize=(size[0] * len(values) * 0.6, size[1] * 0.75), squeeze=False
        )
        for ax, value in zip(row[0], values, strict=True):
            draw(ax, **(middle | {first: value}))
        plt.show()
        kept = ", ".join(f"{name} = {value}" for name, value in middle.items() if name != first)
        print(f"{first} = {values}" + (f"; {kept}" if kept else ""))
        print("With sliders: open this notebook in JupyterLab with ipywidgets installed.")
        return

    def redraw(**values: Any) -> None:
        _, ax = plt.subplots(figsize=size)
        draw(ax, **values)
        plt.show()

    sliders = {
        name: widgets.SelectionSlider(
            options=[(str(v), v) for v in values], value=middle[name], description=name,
            continuous_update=False, style={"description_width": "initial"},
        )
        for name, values in choices.items()
    }  # fmt: skip
    widgets.interact(redraw, **sliders)
