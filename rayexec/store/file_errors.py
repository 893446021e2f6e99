"""Errors of file systems as StoreError."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from rayexec.errors import StoreError

__all__ = ["as_store_error"]


@contextlib.contextmanager
def as_store_error(failure: str) -> Iterator[None]:
    """Raise StoreError for an error of a file system; its message begins with ``failure``."""
    try:
        yield
    except (OSError, NotImplementedError) as error:
        code = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(code) if code else str(error).strip().partition("\n")[0]
        raise StoreError(f"{failure}: {reason}") from error
