"""Every comparison of ``parity.py`` within its bound, and the document that lists them."""

import importlib.util
from pathlib import Path

import pytest

for name in ("timm", "lightly"):
    pytest.importorskip(name)

import parity_losses  # noqa: E402, F401  (it imports the two, and adds its own)
from parity import PIECES  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("piece", PIECES, ids=lambda p: f"{p.name} | {p.oracle}")
def test_difference_is_within_its_bound(piece):
    assert piece.measure() <= piece.bound


def test_the_document_lists_these_pieces_and_bounds():
    """Its numbers are of one machine; they must lie within the bounds too."""
    spec = importlib.util.spec_from_file_location("table", ROOT / "tools/fidelity_table.py")
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    pieces = table.in_order(PIECES)
    rows = table.rows_of((ROOT / "docs/fidelity.md").read_text())
    assert [(r["name"], r["oracle"], r["unit"], r["bound"], r["why"]) for r in rows] == [
        (p.name, p.oracle, p.unit, table.number(p.bound), p.why) for p in pieces
    ]
    assert all(r["measured"] <= p.bound for r, p in zip(rows, pieces, strict=True))
