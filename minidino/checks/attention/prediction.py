"""Exercise 9.5, a prediction: its form alone. Whether it holds, the experiment says."""

import math
from numbers import Real

from torch import Tensor

from minidino.checks.core import call, check, expect

CASES = ("noise", "telling", "random")
# In the notebook's docstring.
EXAMPLE = {"noise": 0.61, "telling": 0.62, "random": 0.63}
EXAMPLE_REASON = "random weights know no better"


@check("9.5", "a prediction")
def check_9_5(predict):
    bet = call(predict)
    keys = (*CASES, "because")
    expect(isinstance(bet, dict), f"Return a dict with the keys {keys}; yours is a {_kind(bet)}.")
    missing = [key for key in keys if key not in bet]
    expect(not missing, f"These keys are missing: {missing}. All of {keys} are needed.")
    values = {}
    for name in CASES:
        value = bet[name]
        if isinstance(value, Tensor) and value.ndim == 0:
            value = value.item()
        expect(
            not isinstance(value, tuple | list | range | set),
            f'"{name}" is several numbers. A range is no commitment; say the one that you would '
            "bet on.",
        )
        expect(
            isinstance(value, Real) and not isinstance(value, bool),
            f'"{name}" should be a number, the Jaccard index you expect, not a {_kind(value)}.',
        )
        expect(math.isfinite(value), f'"{name}" is {value}. Say a number from 0 to 1.')
        expect(
            not 1 < value <= 100,
            f'"{name}" is {value:g}: that looks like percent. A Jaccard index lies between 0 and '
            "1: write 0.25 for 25%.",
        )
        expect(0 <= value <= 1, f'"{name}" is {value:g}; a Jaccard index lies between 0 and 1.')
        values[name] = float(value)
    for i, a in enumerate(CASES):
        for b in CASES[i + 1 :]:
            expect(
                abs(values[a] - values[b]) >= 0.01 - 1e-9,
                f'"{a}" and "{b}" are a tie. That cannot turn out wrong, so it is no prediction: '
                "decide which is higher, by 0.01 at least.",
            )
    reason = bet["because"]
    expect(
        isinstance(reason, str) and _is_sentence(reason),
        '"because" should be a sentence of five words or more: the reason you will check '
        "your understanding by.",
    )
    expect(
        values != EXAMPLE and reason != EXAMPLE_REASON,
        "This is the example, which shows the form only. What do *you* expect, and why?",
    )
    again = predict()
    expect(
        isinstance(again, dict) and all(again.get(k) == bet[k] for k in keys),
        "Asked twice, it says two different things. A prediction is written down, not drawn by "
        "lot.",
    )


def _is_sentence(text: str) -> bool:
    """Five words that are more than a letter each; or ten letters of a script without capitals.

    Chinese, Japanese and Thai have no blanks between words.
    """
    letters = [c for c in text if c.isalpha()]
    words = sum(any(map(str.isalpha, w)) for w in text.split())
    return (words >= 5 and len(letters) >= 12) or sum(c.lower() == c.upper() for c in letters) >= 10


def _kind(value: object) -> str:
    return type(value).__name__
