"""Exercise 3.3 is about chance: each known mistake is told from the others by its draws."""

import pytest

from minidino.checks import check_3_3
from minidino.checks.core import Wrong
from minidino.checks.multi_crop.box_mistakes import mistakes, right


def whole(sampler):
    return lambda *how: sampler(*how).long()


def test_boxes_as_they_should_be_pass(capsys):
    check_3_3(whole(right))
    assert capsys.readouterr().out.startswith("✓ 3.3")


@pytest.mark.slow  # a second each
@pytest.mark.parametrize("message", mistakes)
def test_a_mistake_is_named_by_its_own_words(message):
    with pytest.raises(Wrong) as said:
        check_3_3(whole(mistakes[message]))
    assert str(said.value).endswith(message)
