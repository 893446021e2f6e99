"""Directory of rayexec's own files on this machine."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["home"]


def home() -> Path:
    """Return the directory of rayexec's own files.

    It is RAYEXEC_HOME, or ``~/.rayexec`` if RAYEXEC_HOME is a URI, for runs alone.
    """
    given = os.environ.get("RAYEXEC_HOME") or ""
    return Path(given if given and "://" not in given else Path.home() / ".rayexec").absolute()
