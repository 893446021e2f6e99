"""Resources that a context for unit tests opens itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from rayexec.definitions.fields_resource import resource_definition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.resource_binding import bind_resources
from rayexec.definitions.surroundings import Resources, RunInfo
from rayexec.direct.direct_config import resource_configs
from rayexec.errors import InvariantError
from rayexec.steps.resources import OpenResources

__all__ = ["OpenedResources", "OpensResources", "build_resources"]


class OpenedResources:
    """Resources by key, open from the start until ``close``.

    ``given`` has objects, or definitions of resources with their config in ``config``, as below
    ``resources`` in run config. Raises ConfigError for wrong config, and ResourceError for a
    resource that fails to open. ``surroundings`` are the instance and log of their contexts.
    """

    def __init__(
        self,
        given: Mapping[str, Any] | None,
        config: Mapping[str, Any] | None,
        run: RunInfo | None,
        **surroundings: Any,
    ) -> None:
        definitions = {key: resource_definition(each) for key, each in (given or {}).items()}
        self.definitions: dict[str, ResourceDefinition] = bind_resources(definitions, "resources")
        self.have_to_close = any(each.has_to_close for each in self.definitions.values())
        self._open = OpenResources(
            self.definitions, resource_configs(self.definitions, config), run, **surroundings
        )
        try:
            self._open.open_ahead(self.definitions)
            self.resources: Resources = self._open.get(self.definitions)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the resources; those that are closed stay so."""
        self._open.__exit__(None, None, None)


class OpensResources:
    """A context that opens the resources given to it, and closes them at the end of ``with``.

    Without ``with``, those that have nothing to close are there, and an access to any of the others
    raises InvariantError.
    """

    _opened: OpenedResources
    _is_entered = False
    _owns_resources = True

    def __enter__(self) -> Any:
        self._is_entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    def __del__(self) -> None:
        opened = getattr(self, "_opened", None)  # None where a resource failed to open
        if opened is not None and self._owns_resources:
            opened.close()

    def opened_resources(self, builder: str) -> Resources:
        """Return the resources; ``builder`` is the function of users that made the context."""
        if self._opened.have_to_close and not self._is_entered:
            keys = [key for key, each in self._opened.definitions.items() if each.has_to_close]
            raise InvariantError(
                f"resource {keys[0]!r} is to be closed after its use. Open the context in a with "
                f"statement: `with {builder}(resources={{…}}) as context:`"
            )
        return self._opened.resources


@contextlib.contextmanager
def build_resources(
    resources: Mapping[str, Any],
    instance: Any = None,
    resource_config: Mapping[str, Any] | None = None,
    dagster_run: RunInfo | None = None,
    log_manager: Any = None,
    event_loop: Any = None,
) -> Iterator[Any]:
    """Open resources outside of a run, for the ``with`` block; they are attributes by key.

    ``resources`` are objects or definitions, with all that they require. ``resource_config`` is as
    below ``resources`` in run config. Resources find ``instance``, ``dagster_run`` and
    ``log_manager`` in their contexts. Asynchronous ones run in loops of their own, so
    ``event_loop`` has no effect. Raises ConfigError for wrong config, and ResourceError for a
    resource that fails to open.
    """
    opened = OpenedResources(
        resources, resource_config, dagster_run, instance=instance, log=log_manager
    )
    try:
        yield opened.resources
    finally:
        opened.close()
