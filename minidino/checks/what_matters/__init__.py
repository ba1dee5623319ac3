"""Checks of notebook 10: InfoNCE, BYOL's target, Sinkhorn, attention on the thing, a difference."""

# ruff: noqa: F401
from minidino.checks.what_matters.balance import check_10_3
from minidino.checks.what_matters.difference import check_10_5
from minidino.checks.what_matters.infonce import check_10_1
from minidino.checks.what_matters.on_the_thing import check_10_4
from minidino.checks.what_matters.prediction import check_10_2
