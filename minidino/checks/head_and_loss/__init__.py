"""Checks of notebook 04: the head, the pairs of views, the loss plain and lean, its center."""

# ruff: noqa: F401
from minidino.checks.head_and_loss.centered_loss import check_4_6
from minidino.checks.head_and_loss.head_mlp import check_4_1
from minidino.checks.head_and_loss.lean_loss import check_4_5
from minidino.checks.head_and_loss.plain_loss import check_4_4
from minidino.checks.head_and_loss.prototype_scores import check_4_2
from minidino.checks.head_and_loss.view_pairs import check_4_3
