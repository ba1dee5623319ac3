"""Exercise 4.3, which view predicts which: tells apart pairs of a view with itself, pairs that are
missing or turned round, and numbers of views that are written in.
"""

from minidino.checks.core import call, check, expect


@check("4.3", "which view predicts which")
def check_4_3(view_pairs):
    got = call(view_pairs, 2, 10)
    expect(
        not isinstance(got, int),
        "You returned how many pairs there are. Return the pairs: [(0, 1), ...].",
    )
    got = _pairs(got)
    all_pairs = {(i, j) for i in range(2) for j in range(10)}
    known = {
        "You kept the pairs of a view with itself: 20, where 18 count. Teacher and student "
        "see the same pixels there, and the student learns to copy, not to recognise.": all_pairs,
        "You have only the local student views: 16 pairs. The student's global views count too, "
        "each against the teacher's *other* global view.": {(i, j) for i, j in all_pairs if j > 1},
        "You have only the global views: 2 pairs. The student's local views are predicted "
        "from, too; local to global is what DINO is about.": {(0, 1), (1, 0)},
        "Your pairs are (student view, teacher view). The teacher's comes first.": {
            (j, i) for i, j in all_pairs if i != j
        },
        "Your teacher sees all ten views. It sees the global ones only: its target should rest on "
        "the whole picture.": {(i, j) for i in range(10) for j in range(10) if i != j},
        "(0, 1) is there and (1, 0) is not. They are two pairs: either network may have seen "
        "either view.": {(i, j) for i, j in all_pairs if i < j},
        "You numbered the local views from 0. The student's views are one list, globals first: "
        "the first local view is view n_global.": {(i, j) for i in range(2) for j in range(8)},
        "You numbered the local views from 0 and skipped some. The student's views are one list, "
        "globals first: the first local view is view n_global.": {
            (i, j) for i in range(2) for j in range(8) if i != j
        },
        "Each teacher view has only one student view. It is compared with every view but its "
        "own.": {(0, 1), (1, 2)},
    }
    want = {(i, j) for i, j in all_pairs if i != j}
    for message, pairs in known.items():
        expect(set(got) != pairs, message)
    expect(
        set(got) == want,
        f"For 2 global and 8 local views you have {len(set(got))} pairs; expected 18. "
        + _difference(set(got), want),
    )
    expect(len(got) == len(want), "A pair stands there twice; each counts once.")
    for n_global, n_views in ((1, 4), (2, 2), (3, 5)):
        want = {(i, j) for i in range(n_global) for j in range(n_views) if i != j}
        got = _pairs(call(view_pairs, n_global, n_views))
        expect(
            set(got) == want and len(got) == len(want),
            f"view_pairs({n_global}, {n_views}) is not right, though view_pairs(2, 10) is. Is a "
            f"2, 8 or 10 written into your function? {_difference(set(got), want)}",
        )


def _pairs(got) -> list[tuple[int, int]]:
    try:
        return [(int(i), int(j)) for i, j in got]
    except (TypeError, ValueError):
        expect(
            False, "Return a list of pairs (teacher view, student view), such as [(0, 1), (1, 0)]."
        )


def _difference(got: set, want: set) -> str:
    missing, extra = sorted(want - got), sorted(got - want)
    said = [f"missing {missing[0]}"] if missing else []
    said += [f"too much {extra[0]}"] if extra else []
    return f"For example: {', '.join(said)}." if said else ""
