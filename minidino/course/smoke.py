"""``MINIDINO_SMOKE=1`` runs a notebook small: fewer images and steps, same ideas.

This is the only place that reads it.
"""

import os
from typing import TypeVar

T = TypeVar("T")


def sized(*, full: T, smoke: T) -> T:
    """``smoke`` where ``MINIDINO_SMOKE=1``, ``full`` otherwise.

    >>> steps = sized(full=500, smoke=20)
    """
    return smoke if os.environ.get("MINIDINO_SMOKE") == "1" else full
