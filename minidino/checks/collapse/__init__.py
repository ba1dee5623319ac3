"""Checks of notebook 06: usage, KL from logits, effective rank, reading a training log."""

# ruff: noqa: F401
from minidino.checks.collapse.diagnosis import check_6_4, training_log
from minidino.checks.collapse.kl import check_6_2
from minidino.checks.collapse.rank import check_6_3
from minidino.checks.collapse.usage import check_6_1
