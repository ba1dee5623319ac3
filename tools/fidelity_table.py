"""Measure every piece against its oracle and write the tables of ``docs/fidelity.md``.

Run it where the ``test`` extra is installed: ``python tools/fidelity_table.py``. The
comparisons are those of ``tests/parity.py`` and ``parity_losses.py``; the rest of the document is
written by hand.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import tyro

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- written by tools/fidelity_table.py -->", "<!-- end -->"
PACKAGES = ("torch", "torchvision", "timm", "transformers", "lightly", "pillow", "numpy")


def number(x: float) -> str:
    """Two digits: 0.00012 as 1.2e-04, 7.57 as 7.6."""
    return f"{x:.1e}" if 0 < abs(x) < 0.01 else f"{x:.2g}"


def in_order(pieces) -> list:
    """Those of the first table, then those that differ on purpose."""
    return sorted(pieces, key=lambda p: bool(p.why))


def table(title: str, measured: dict) -> list[str]:
    """Markdown lines: a row a piece, with the reasons where there are any."""
    reasons = any(p.why for p in measured)
    head = ["piece", "compared with", "largest difference", "bound", *["why"] * reasons]
    rows = [
        [p.name, p.oracle, f"{number(x)} {p.unit}", number(p.bound), *[p.why] * reasons]
        for p, x in measured.items()
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]
    return ["", f"### {title}", "", *lines]


def rows_of(document: str) -> list[dict]:
    """The rows of both tables in a document, as ``table`` writes them."""
    between = document.split(BEGIN)[1].split(END)[0]
    rows = []
    for line in between.splitlines():
        cells = line.strip("| ").split(" | ")
        if not line.startswith("| ") or cells[0] in ("piece", "---"):
            continue
        measured, unit = cells[2].split(" ", 1)
        why = cells[4] if len(cells) > 4 else ""
        rows.append(
            dict(name=cells[0], oracle=cells[1], measured=float(measured), unit=unit,
                 bound=cells[3], why=why)
        )  # fmt: skip
    return rows


def main() -> None:
    """Measure, and write the tables."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # parity.py, dino.py
    import parity_losses  # noqa: F401  (which adds its own)
    from parity import PIECES

    measured = {p: p.measure() for p in in_order(PIECES)}
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        BEGIN,
        f"Measured on a CPU with {versions}.",
        *table("The same but for rounding", {p: x for p, x in measured.items() if not p.why}),
        *table("Different on purpose", {p: x for p, x in measured.items() if p.why}),
        "",
        END,
    ]
    path = ROOT / "docs/fidelity.md"
    before, rest = path.read_text().split(BEGIN)
    path.write_text(before + "\n".join(lines) + rest.split(END)[1])
    print(f"wrote {path}: {len(measured)} comparisons")


if __name__ == "__main__":
    tyro.cli(main)
