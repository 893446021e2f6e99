"""How a step of a cached op is known again, and what an attempt does with what was kept.

A step is known by the digest of what its outputs depend on: the op (by name, place and code
version), its config, its inputs' values, and which IO managers store its outputs. Neither its key
nor the run, its tags or its job are in it, nor what the op takes from its context or from
resources.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from rayexec.definitions.contexts import RunInfo, StepLog
from rayexec.definitions.op import OpDefinition
from rayexec.plan.model import Template
from rayexec.run.cached_outputs import (
    CachedOutput,
    CacheEntry,
    CacheEntryWriter,
    CacheOrigin,
    RunCache,
)
from rayexec.steps.digest import digest
from rayexec.steps.io_managers import OpManagers

__all__ = ["Recall", "recall"]

# Greater where keys are made in another way, so that those of older entries are not met by
# accident.
_KEYS = 1


class Recall:
    """What one attempt of a cached op has to do with the cache. Nothing that fails here fails the
    step.
    """

    def __init__(
        self,
        run_cache: RunCache,
        op: OpDefinition,
        run: RunInfo,
        step_key: str,
        managing: OpManagers | None,
        log: StepLog,
    ) -> None:
        self._run_cache = run_cache
        self._op = op
        self._run = run
        self._step_key = step_key
        self._managing = managing
        self._log = log
        self._keeping: CacheEntryWriter | None = None

    def find(self, config: Any, inputs: Mapping[str, Any]) -> CacheEntry | None:
        """Return what an earlier step with this config and these inputs yielded; None where the op
        is to be called.
        """
        op, entries = self._op, self._run_cache.entries
        try:
            key = self._key(config, inputs)
        except Exception as error:  # pickling runs code of the user's classes
            if not self._run_cache.was_warned_of(op):
                self._log.warning(
                    "op %r is not cached where its config or an input cannot be digested: %s",
                    op.name,
                    _words(error),
                )
            return None
        if self._run_cache.reuse:
            try:
                found = entries.find(key)
            except Exception as error:  # so does unpickling
                self._log.warning(
                    "what is kept of an earlier step cannot be used: %s", _words(error)
                )
            else:
                if found is not None:
                    return found
        try:
            origin = CacheOrigin(
                self._run.run_id, self._step_key, op.name, str(op.code_version), time.time()
            )
            self._keeping = entries.begin(key, origin)
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
            name: None if self._managing is None else self._managing.stores(name)
            for name in op.outs
        }
        return digest((_KEYS, op.name, _place(op.fn), op.code_version, config, outputs, values))

    def keep(self, output: CachedOutput) -> None:
        """Keep an output, should the step succeed."""
        if self._keeping is not None:
            try:
                self._keeping.add(output)
            except Exception as error:
                self._failed(error)

    def end(self, *, success: bool) -> None:
        """Have what was kept found from now on, or forget it."""
        keeping = self._keeping
        if keeping is not None:
            try:
                if success:
                    keeping.commit()
                else:
                    keeping.discard()
            except Exception as error:
                self._failed(error)
            self._keeping = None

    def _failed(self, error: Exception) -> None:
        keeping, self._keeping = self._keeping, None
        if not self._run_cache.was_warned_of(self._op):
            self._log.warning(
                "the outputs of op %r cannot be kept: %s", self._op.name, _words(error)
            )
        if keeping is not None:
            try:
                keeping.discard()
            except Exception as left:
                self._log.warning("what was written of them is left: %s", _words(left))

    def restored(self, output: CachedOutput) -> Any:
        """Return what of a kept output is handed on in this run."""
        managing = self._managing
        if managing is None:
            return output.value
        return managing.again(
            self._step_key, output.name, output.value, self._log, is_handled=bool(output.handled)
        )


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _place(fn: Any) -> tuple[str, str]:
    """Return the module and the name that a function was defined under.

    A module at the top is told by its file, since any project may have a ``jobs.py``; so a script
    and the same file that a command is given are one.
    """
    module = getattr(fn, "__module__", None) or ""
    code = getattr(fn, "__code__", None)
    if "." not in module and code is not None:
        module = os.path.realpath(code.co_filename)
    return module, getattr(fn, "__qualname__", None) or type(fn).__qualname__


def recall(
    run_cache: RunCache | None,
    template: Template,
    run: RunInfo,
    step_key: str,
    managing: OpManagers | None,
    log: StepLog,
) -> Recall | None:
    """Return what an attempt needs to be remembered; None for an op that is not cached."""
    if run_cache is None or not template.op.cache:
        return None
    return Recall(run_cache, template.op, run, step_key, managing, log)
