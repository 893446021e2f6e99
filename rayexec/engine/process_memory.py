"""Memory of this process."""

from __future__ import annotations

import resource
import sys

__all__ = ["peak_rss"]

_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def peak_rss() -> int:
    """Return the most memory (bytes) that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT_BYTES
