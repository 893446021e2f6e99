"""Declarations of users as data: ops, graphs, jobs, resources, types and their settings.

The package is also Dagster's decorator of the same name, ``@rayexec.definitions``: the import
system sets it as that attribute of ``rayexec``, so that no function could have the name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rayexec.definitions.graphs.job_set import definitions as definitions
else:
    definitions = sys.modules[__name__]


class _Decorator(ModuleType):
    def __call__(self, fn: Callable[..., Any]) -> Any:
        """Mark a function that returns a Definitions; the command line calls it."""
        from rayexec.definitions.graphs.job_set import definitions

        return definitions(fn)


sys.modules[__name__].__class__ = _Decorator
