"""Checks of notebook 05: the moving average, half-lives, schedules, who learns, one step."""

# ruff: noqa: F401
from minidino.checks.teacher.half_life import check_5_2
from minidino.checks.teacher.moving_average import check_5_1
from minidino.checks.teacher.schedule import check_5_3
from minidino.checks.teacher.step import check_5_5
from minidino.checks.teacher.who_learns import check_5_4
