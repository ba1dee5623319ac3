"""What tells a learner right from wrong: ``check_N_M(answer)`` for exercise M of notebook N."""

# ruff: noqa: F401
from minidino.checks.attention import check_9_1, check_9_2, check_9_3, check_9_4, check_9_5
from minidino.checks.collapse import check_6_1, check_6_2, check_6_3, check_6_4
from minidino.checks.core import example
from minidino.checks.evaluation import check_8_1, check_8_2, check_8_3, check_8_4, check_8_5
from minidino.checks.head_and_loss import (
    check_4_1,
    check_4_2,
    check_4_3,
    check_4_4,
    check_4_5,
    check_4_6,
)
from minidino.checks.multi_crop import (
    check_3_1,
    check_3_2,
    check_3_3,
    check_3_4,
    check_3_5,
    check_3_6,
)
from minidino.checks.scaling_up import check_12_1, check_12_2, check_12_3, check_12_4
from minidino.checks.softmax_walkthrough import (
    check_1_1,
    check_1_2,
    check_1_3,
    check_1_4,
    check_1_5,
)
from minidino.checks.teacher import check_5_1, check_5_2, check_5_3, check_5_4, check_5_5
from minidino.checks.tour import check_0_1, check_0_2, check_0_3
from minidino.checks.training import check_7_1, check_7_2, check_7_3, check_7_4, check_7_5
from minidino.checks.using_dino import check_11_1, check_11_2, check_11_3, check_11_4, check_11_5
from minidino.checks.vision_transformer import (
    check_2_1,
    check_2_2,
    check_2_3,
    check_2_4,
    check_2_5,
    check_2_6,
)
from minidino.checks.what_came_next import (
    check_13_1,
    check_13_2,
    check_13_3,
    check_13_4,
    check_13_5,
    check_13_6,
)
from minidino.checks.what_matters import check_10_1, check_10_2, check_10_3, check_10_4, check_10_5
