"""Checks of notebook 13: KoLeo, iBOT's loss, registers, RoPE, the Gram loss, MAE's shuffle."""

# ruff: noqa: F401
from minidino.checks.what_came_next.gram import check_13_5
from minidino.checks.what_came_next.ibot import check_13_2
from minidino.checks.what_came_next.koleo import check_13_1
from minidino.checks.what_came_next.registers import check_13_3
from minidino.checks.what_came_next.rope import check_13_4
from minidino.checks.what_came_next.shuffle import check_13_6
