"""Instances for tests of users, which no other run knows."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any

from rayexec.store.instance import DagsterInstance

__all__ = ["instance_for_test"]

_HOME = "RAYEXEC_HOME"


@contextlib.contextmanager
def instance_for_test(
    overrides: Any = None,  # of Dagster's settings, which rayexec does not have
    *,
    temp_dir: str | None = None,
    **_settings: Any,
) -> Iterator[DagsterInstance]:
    """Yield an instance of a directory of its own, which is RAYEXEC_HOME for as long.

    The directory is removed at the end, unless it is ``temp_dir``.
    """
    with contextlib.ExitStack() as stack:
        home = temp_dir or stack.enter_context(tempfile.TemporaryDirectory())
        before = os.environ.get(_HOME)
        os.environ[_HOME] = home
        try:
            yield DagsterInstance.get()
        finally:
            if before is None:
                del os.environ[_HOME]
            else:
                os.environ[_HOME] = before
