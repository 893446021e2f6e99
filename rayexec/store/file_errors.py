"""Errors of file systems as StoreError."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from rayexec.errors import StoreError

__all__ = ["as_store_error", "is_full"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: OSError) -> bool:
    """Tell whether there is no room for a file: on the disk, or in the user's share of it."""
    return error.errno in _FULL


@contextlib.contextmanager
def as_store_error(failure: str) -> Iterator[None]:
    """Raise StoreError for an error of a file system; its message begins with ``failure``."""
    try:
        yield
    except (OSError, NotImplementedError) as error:
        code = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(code) if code else str(error).strip().partition("\n")[0]
        if isinstance(error, OSError) and is_full(error):
            reason = f"the store is full ({reason})"
        raise StoreError(f"{failure}: {reason}") from error
