"""Time limits as users give them: seconds above 0, infinite for none."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["as_time_limit"]


def as_time_limit(seconds: Any) -> float | None:
    """Return a limit in seconds, None for an infinite one.

    Raises ValueError for anything but a number above 0; NaN is none.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ValueError(f"must be a number of seconds above 0, got {seconds!r}")
    try:
        limit = float(seconds)
    except OverflowError:  # a whole number beyond any float
        return None
    return None if math.isinf(limit) else limit
