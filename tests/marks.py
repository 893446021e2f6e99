"""Files by which steps tell a test where they are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["marked"]


@contextlib.contextmanager
def marked(place: Path, name: str) -> Iterator[None]:
    """Leave a file as the block begins, and one as it ends in good order."""
    (place / name).write_text(str(os.getpid()))
    try:
        yield
    finally:
        (place / f"{name}.closed").touch()
