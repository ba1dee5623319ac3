"""Checks of notebook 03: resize as a matrix, boxes, colours, blur, multi-crop."""

# ruff: noqa: F401
from minidino.checks.multi_crop.blur import check_3_5
from minidino.checks.multi_crop.boxes import check_3_3
from minidino.checks.multi_crop.colours import check_3_4
from minidino.checks.multi_crop.crop_resize import check_3_2
from minidino.checks.multi_crop.resize_matrix import check_3_1
from minidino.checks.multi_crop.views import check_3_6
