"""Checks of notebook 12: the loss in slices, foreach EMA, packed views, FLOPs of a step."""

# ruff: noqa: F401
from minidino.checks.scaling_up.foreach_ema import check_12_2
from minidino.checks.scaling_up.packed_block import check_12_3
from minidino.checks.scaling_up.sliced_loss import check_12_1
from minidino.checks.scaling_up.step_flops import check_12_4
