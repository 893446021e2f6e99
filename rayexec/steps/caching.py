"""Cached outputs in an attempt: the key of a step, lookup, and a new entry.

The key is a digest of everything that determines the outputs: the op (name, module and code
version), its config, the values of its inputs, and the IO managers of its outputs. The step key,
the run, its tags and its job are not part of it, and neither are the context and the resources.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from rayexec.definitions.op import OpDefinition
from rayexec.definitions.surroundings import (
    RunInfo,
    StepLog,
)
from rayexec.run.cached_outputs import (
    CachedOutput,
    CacheEntry,
    CacheEntryWriter,
    CacheOrigin,
    RunCache,
)
from rayexec.steps.digest import digest
from rayexec.steps.io_managers import AttemptIOManagers

__all__ = ["AttemptCache"]

# Increased with every change of the way keys are made, so that no new key equals an old one by
# accident.
_KEY_VERSION = 1


class AttemptCache:
    """Cache access of one attempt of a cached op; an error here is a warning and fails no step."""

    def __init__(
        self,
        run_cache: RunCache,
        op: OpDefinition,
        run: RunInfo,
        step_key: str,
        managers: AttemptIOManagers | None,
        log: StepLog,
    ) -> None:
        self._run_cache = run_cache
        self._op = op
        self._run = run
        self._step_key = step_key
        self._managers = managers
        self._log = log
        self._writer: CacheEntryWriter | None = None

    def find(self, config: Any, inputs: Mapping[str, Any]) -> CacheEntry | None:
        """Return the outputs of an earlier step with this config and these inputs.

        Returns None if the op must be called; its outputs then form a new entry.
        """
        op, entries = self._op, self._run_cache.entries
        try:
            key = self._key(config, inputs)
        except Exception as error:  # pickling runs code of the user's classes
            if not self._run_cache.was_warned_of(op):
                self._log.warning(
                    "op %r is not cached where its config or an input cannot be digested: %s",
                    op.name,
                    _describe(error),
                )
            return None
        if self._run_cache.reuse:
            try:
                entry = entries.find(key)
            except Exception as error:  # unpickling does too
                self._log.warning("a cached output cannot be used: %s", _describe(error))
            else:
                if entry is not None:
                    return entry
        try:
            origin = CacheOrigin(
                self._run.run_id, self._step_key, op.name, str(op.code_version), time.time()
            )
            self._writer = entries.begin(key, origin)
        except Exception as error:
            self._failed(error)
        return None

    def _key(self, config: Any, inputs: Mapping[str, Any]) -> str:
        op = self._op
        values = {
            name: inputs.get(name, declared.default_value)
            for name, declared in op.ins.items()
            if not declared.type.is_nothing
        }
        outputs = {
            name: None if self._managers is None else self._managers.stores(name)
            for name in op.outs
        }
        return digest(
            (
                _KEY_VERSION,
                op.name,
                _module_and_name(op.fn),
                op.code_version,
                config,
                outputs,
                values,
            )
        )

    def add(self, output: CachedOutput) -> None:
        """Add an output to the new entry."""
        if self._writer is not None:
            try:
                self._writer.add(output)
            except Exception as error:
                self._failed(error)

    def end(self, *, success: bool) -> None:
        """Commit the new entry of a step that succeeded, or discard it."""
        writer = self._writer
        if writer is not None:
            try:
                if success:
                    writer.commit()
                else:
                    writer.discard()
            except Exception as error:
                self._failed(error)
            self._writer = None

    def _failed(self, error: Exception) -> None:
        writer, self._writer = self._writer, None
        if not self._run_cache.was_warned_of(self._op):
            self._log.warning(
                "the outputs of op %r cannot be cached: %s", self._op.name, _describe(error)
            )
        if writer is not None:
            try:
                writer.discard()
            except Exception as left:
                self._log.warning("what was written of them is left: %s", _describe(left))

    def restored(self, output: CachedOutput) -> Any:
        """Return a cached output as the value to pass on in this run."""
        managers = self._managers
        if managers is None:
            return output.value
        return managers.restore(
            self._step_key, output.name, output.value, self._log, is_handled=bool(output.handled)
        )


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _module_and_name(fn: Any) -> tuple[str, str]:
    """Return the module and the name of a function's definition."""
    # Any project may have a ``jobs.py``, so the file stands for a top-level module. A script and
    # the same file as an argument of a command are one module that way.
    module = getattr(fn, "__module__", None) or ""
    code = getattr(fn, "__code__", None)
    if "." not in module and code is not None:
        module = os.path.realpath(code.co_filename)
    return module, getattr(fn, "__qualname__", None) or type(fn).__qualname__
