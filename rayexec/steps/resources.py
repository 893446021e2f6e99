"""Resources of a run, batch or worker: opened when first asked for, closed together in the opposite
order.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from rayexec.definitions.contexts import InitResourceContext, Resources, RunInfo
from rayexec.definitions.resource import STEP, WORKER, ResourceDefinition
from rayexec.errors import ResourceError
from rayexec.events import ResourceRecord, describe_error
from rayexec.names import nearest

__all__ = ["OpenResources"]


class OpenResources:
    """The resources that are open now; a context manager that closes them at its end.

    Those of step scope are closed by ``close_step`` already. ``kept`` returns where those of worker
    scope are opened, to stay open; without it, or where it returns None, they are opened here. What
    was opened, and what failed to open or to close, is recorded until ``take_records`` hands it
    over. A resource that fails to close fails nothing else.
    """

    def __init__(
        self,
        definitions: Mapping[str, ResourceDefinition],
        config: Mapping[str, Any],
        run: RunInfo,
        clock: Callable[[], float] = time.time,
        kept: Callable[[], OpenResources | None] | None = None,
    ) -> None:
        self._definitions = definitions
        self._config = config
        self._run = run
        self._clock = clock
        self._kept = kept
        self._open_managers: list[tuple[str, contextlib.AbstractContextManager[Any]]] = []
        self._step_managers: list[tuple[str, contextlib.AbstractContextManager[Any]]] = []
        self._opened: dict[str, Any] = {}
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
        """Close the resources of step scope, if any: an attempt is over."""
        if self._step_managers:
            self._close(self._step_managers)

    def _close(self, managers: list[tuple[str, contextlib.AbstractContextManager[Any]]]) -> None:
        while managers:
            key, manager = managers.pop()
            self._opened.pop(key, None)
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
        """Return what was recorded since the last call."""
        taken, self._records = tuple(self._records), []
        return taken

    def get(self, keys: Iterable[str]) -> Resources:
        """Return the resources of these keys, opening those that are not open yet.

        Raises ResourceError for one that fails to open, or that the job does not have.
        """
        return Resources({key: self._open(key, ()) for key in sorted(keys)})

    def open_ahead(self, keys: Iterable[str]) -> None:
        """Open those of these keys that outlast a step, and what the others require that does;
        raises as ``get``.
        """
        seen: set[str] = set()
        left = sorted(keys)
        for key in left:
            if key in seen:
                continue
            seen.add(key)
            definition = self._definitions.get(key)
            if definition is not None and definition.scope == STEP:
                left += sorted(definition.required_resource_keys)
            else:
                self._open(key, ())

    def _open(self, key: str, above: tuple[str, ...]) -> Any:
        if key in self._opened:
            return self._opened[key]
        definition = self._definitions.get(key)
        if definition is None:
            raise ResourceError(
                f"the job has no resource {key!r}.{nearest(key, self._definitions)}"
            )
        if key in above:
            raise ResourceError(
                f"resources need each other in a circle: {' -> '.join((*above, key))}"
            )
        if self._kept is not None and definition.scope == WORKER:
            kept = self._kept()
            if kept is not None:
                return self._open_kept(kept, key, above)
        inner = Resources(
            {
                each: self._open(each, (*above, key))
                for each in sorted(definition.required_resource_keys)
            }
        )
        context = InitResourceContext(
            resource_config=self._config.get(key), resources=inner, run=self._run
        )
        started = self._clock()
        try:
            manager = definition.open(context)
            value = manager.__enter__()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also one that exits
            self._records.append(ResourceRecord(key, started, self._clock(), describe_error(error)))
            raise ResourceError(
                f"resource {key!r} failed to open: {type(error).__name__}: {error}"
            ) from error
        self._records.append(ResourceRecord(key, started, self._clock()))
        managers = self._step_managers if definition.scope == STEP else self._open_managers
        managers.append((key, manager))
        self._opened[key] = value
        return value

    def _open_kept(self, kept: OpenResources, key: str, above: tuple[str, ...]) -> Any:
        try:
            return kept._open(key, above)
        finally:  # who made it open has it in its records
            self._records += kept.take_records()
