"""Checks of notebook 11: near-duplicates, an honest split, a box, PCA colours, propagation."""

# ruff: noqa: F401
from minidino.checks.using_dino.box import check_11_3
from minidino.checks.using_dino.colours import check_11_4
from minidino.checks.using_dino.duplicates import check_11_1
from minidino.checks.using_dino.honest import check_11_2
from minidino.checks.using_dino.propagation import check_11_5
