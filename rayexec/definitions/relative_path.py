"""Path of a file beside a job file."""

from __future__ import annotations

import os

__all__ = ["file_relative_path"]


def file_relative_path(dunderfile: str, relative_path: str) -> str:
    """Return the absolute path of ``relative_path``, seen from the directory of a file.

    ``dunderfile`` is ``__file__``. Links and ``..`` are resolved.
    """
    return os.path.realpath(os.path.join(dunderfile, "..", relative_path))
