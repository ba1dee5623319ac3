"""Checks of notebook 07: parameter groups, clipping, the whole step, resuming, batch order."""

# ruff: noqa: F401
from minidino.checks.training.batch_order import check_7_5
from minidino.checks.training.checkpoint import check_7_4
from minidino.checks.training.clipping import check_7_2
from minidino.checks.training.parameter_groups import check_7_1
from minidino.checks.training.step import check_7_3
