"""What goes wrong with files, in words."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from rayexec.errors import StoreError

__all__ = ["told"]


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Raise StoreError for what goes wrong with files."""
    try:
        yield
    except (OSError, NotImplementedError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number else str(error).strip().partition("\n")[0]
        raise StoreError(f"{what}: {reason}") from error
