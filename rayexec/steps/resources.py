"""Open resources of a run, batch or worker: opened at first use, closed in the opposite order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from rayexec.definitions.contexts import InitResourceContext
from rayexec.definitions.resource import (
    IAttachDifferentObjectToOpContext,
    ResourceDefinition,
    ResourceScope,
)
from rayexec.definitions.surroundings import Resources, RunInfo, StepLog
from rayexec.errors import ResourceError
from rayexec.events import ResourceRecord, describe_error
from rayexec.names import nearest

__all__ = ["OpenResources"]


class OpenResources:
    """Opens resources at first use; a context manager that closes them at its end.

    ``close_step`` closes the resources of step scope earlier. ``worker_scope`` returns the object
    that opens resources of worker scope and outlives this one; without it, or if it returns None,
    they open here. Their contexts have ``run``, None outside of one, ``instance`` and ``log``.
    Openings, closings and their errors are recorded until ``take_records``. A resource that fails
    to close fails nothing else.
    """

    def __init__(
        self,
        definitions: Mapping[str, ResourceDefinition],
        config: Mapping[str, Any],
        run: RunInfo | None,
        clock: Callable[[], float] = time.time,
        worker_scope: Callable[[], OpenResources | None] | None = None,
        instance: Any = None,
        log: StepLog | None = None,
    ) -> None:
        self._definitions = definitions
        self._config = config
        self._run = run
        self._clock = clock
        self._worker_scope = worker_scope
        self._instance = instance
        self._log = log
        self._open_managers: list[tuple[str, contextlib.AbstractContextManager[Any]]] = []
        self._step_managers: list[tuple[str, contextlib.AbstractContextManager[Any]]] = []
        self._opened: dict[str, Any] = {}
        # What some resources give to contexts in their place.
        self._attached: dict[str, Any] = {}
        self._records: list[ResourceRecord] = []

    def __enter__(self) -> OpenResources:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close_step()
        self._close(self._open_managers)

    def close_step(self) -> None:
        """Close the resources of step scope, at the end of an attempt."""
        if self._step_managers:
            self._close(self._step_managers)

    def _close(self, managers: list[tuple[str, contextlib.AbstractContextManager[Any]]]) -> None:
        while managers:
            key, manager = managers.pop()
            self._opened.pop(key, None)
            self._attached.pop(key, None)
            started = self._clock()
            try:
                manager.__exit__(None, None, None)
            except KeyboardInterrupt:
                raise
            except BaseException as broken:  # one that exits must not keep the others open
                record = ResourceRecord(
                    key, started, self._clock(), describe_error(broken), closing=True
                )
                self._records.append(record)

    def take_records(self) -> tuple[ResourceRecord, ...]:
        """Return the records since the last call."""
        records, self._records = tuple(self._records), []
        return records

    def get(self, keys: Iterable[str]) -> Resources:
        """Return the resources of these keys, and open them first if they are closed.

        Raises ResourceError for one that fails to open or is unknown to the job.
        """
        return Resources({key: self._open(key) for key in sorted(keys)}, self._attached)

    def open_ahead(self, keys: Iterable[str]) -> None:
        """Open the resources of these keys that outlast a step, after those that they require.

        Of two that require nothing of each other, the one with the shorter chain below it opens
        first, then by key. Raises ResourceError like ``get``.
        """
        depths: dict[str, int] = {}
        for key in sorted(keys, key=lambda one: (self._depth(one, depths), one)):
            definition = self._definitions.get(key)
            if definition is None or definition.scope is not ResourceScope.STEP:
                self._open(key)

    def _depth(self, key: str, depths: dict[str, int]) -> int:
        """Return the length of the longest chain of required resources below ``key``."""
        if key not in depths:
            definition = self._definitions.get(key)
            below = definition.required_resource_keys if definition is not None else ()
            depths[key] = max([self._depth(one, depths) + 1 for one in below], default=0)
        return depths[key]

    def _open(self, key: str) -> Any:
        if key in self._opened:
            return self._opened[key]
        definition = self._definitions.get(key)
        if definition is None:
            raise ResourceError(
                f"the job has no resource {key!r}.{nearest(key, self._definitions)}", key=key
            )
        if self._worker_scope is not None and definition.scope is ResourceScope.WORKER:
            outer = self._worker_scope()
            if outer is not None:
                return self._open_in(outer, key)
        inner = Resources(
            {each: self._open(each) for each in sorted(definition.required_resource_keys)},
            self._attached,
        )
        context = InitResourceContext(
            resource_config=self._config.get(key),
            resources=inner,
            run=self._run,
            resource_def=definition,
            instance=self._instance,
            log=self._log,
        )
        started = self._clock()
        try:
            manager = definition.open(context)
            value = manager.__enter__()
            if isinstance(value, IAttachDifferentObjectToOpContext):
                self._attached[key] = value.get_object_to_set_on_execution_context()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also one that exits
            self._records.append(ResourceRecord(key, started, self._clock(), describe_error(error)))
            raise ResourceError(
                f"resource {key!r} failed to open: {type(error).__name__}: {error}", key=key
            ) from error
        self._records.append(ResourceRecord(key, started, self._clock()))
        managers = (
            self._step_managers if definition.scope is ResourceScope.STEP else self._open_managers
        )
        managers.append((key, manager))
        self._opened[key] = value
        return value

    def _open_in(self, outer: OpenResources, key: str) -> Any:
        try:
            value = outer._open(key)
            if key in outer._attached:
                self._attached[key] = outer._attached[key]
            return value
        finally:  # the batch that caused the opening has it in its records
            self._records += outer.take_records()
