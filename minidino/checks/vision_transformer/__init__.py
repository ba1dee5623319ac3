"""Checks of notebook 02: patches, tokens, attention, the block, positions, [CLS] maps."""

from minidino.checks.vision_transformer.block import check_2_4
from minidino.checks.vision_transformer.heads import check_2_3
from minidino.checks.vision_transformer.maps import check_2_6
from minidino.checks.vision_transformer.patches import check_2_1
from minidino.checks.vision_transformer.positions import check_2_5
from minidino.checks.vision_transformer.tokens import check_2_2

__all__ = ["check_2_1", "check_2_2", "check_2_3", "check_2_4", "check_2_5", "check_2_6"]
