"""Checks of notebook 09: maps, masks of 60% mass, Jaccard, the best head, a prediction."""

# ruff: noqa: F401
from minidino.checks.attention.heads import check_9_4
from minidino.checks.attention.maps import check_9_1
from minidino.checks.attention.mass import check_9_2
from minidino.checks.attention.overlap import check_9_3
from minidino.checks.attention.prediction import check_9_5
