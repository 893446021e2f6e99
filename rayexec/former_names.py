"""Former names of classes: stored values and keys of cached outputs name classes by module.

A pickle holds the module and the name of each class in it, and so does the key of a cached output.
Classes move when the package is rearranged; what is stored stays. So a stored value is read through
``load_stored``, and a key names a class as it was named when keys were first made.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any

__all__ = ["FORMER_NAMES", "StoredUnpickler", "load_stored", "stable_name"]

_PACKAGE = "rayexec."
# Modules that moved as a whole: the former one -> the present one, and the classes in it then.
_MOVED = {
    "definitions.composition": ("definitions.graphs.composition", "Composition"),
    "definitions.logger": ("definitions.loggers.logger", "InitLoggerContext LoggerDefinition"),
    "definitions.metadata": ("definitions.metadata.metadata_value", "MetadataValue"),
    "definitions.types": ("definitions.types.dagster_type", "Nothing TypeCheck DagsterType"),
}
#: (former module, name) -> (present module, name), all below the package.
FORMER_NAMES: dict[tuple[str, str], tuple[str, str]] = {
    **{
        (former, name): (present, name)
        for former, (present, names) in _MOVED.items()
        for name in names.split()
    },
    ("definitions.config", "Config"): ("definitions.config_models", "Config"),
    ("definitions.config_models", "EnvVar"): ("definitions.environment_values", "EnvVar"),
    # The first name comes last: keys of cached outputs hold it.
    ("definitions.config", "EnvVar"): ("definitions.environment_values", "EnvVar"),
    ("definitions.config", "PermissiveConfig"): ("definitions.config_models", "PermissiveConfig"),
    ("definitions.limits", "Pool"): ("definitions.concurrency", "Pool"),
    ("definitions.options", "RayOptions"): ("definitions.ray_options", "RayOptions"),
    ("definitions.graph", "GraphDefinition"): ("jobs", "Graph"),
    ("definitions.job", "JobDefinition"): ("jobs", "Job"),
    ("events.types", "EventType"): ("events.event_type", "EventType"),
    ("execute.resuming", "ReexecutionOptions"): ("execute.resume", "ReexecutionOptions"),
    ("io.pickled", "FilesystemIOManager"): ("io.filesystem", "FilesystemIOManager"),
    ("definitions.contexts", "HookContext"): ("definitions.hook_context", "HookContext"),
    ("definitions.contexts", "Resources"): ("definitions.surroundings", "Resources"),
    ("definitions.contexts", "RunInfo"): ("definitions.surroundings", "RunInfo"),
    ("definitions.contexts", "StepLog"): ("definitions.surroundings", "StepLog"),
    ("definitions.resource", "ConfigurableResource"): (
        "definitions.configurable_resource",
        "ConfigurableResource",
    ),
    ("run.context", "HookContext"): ("definitions.hook_context", "HookContext"),
    ("run.context", "InitResourceContext"): ("definitions.contexts", "InitResourceContext"),
    ("run.context", "OpExecutionContext"): ("definitions.contexts", "OpExecutionContext"),
    ("run.io_context", "InputContext"): ("definitions.io_contexts", "InputContext"),
    ("run.io_context", "OutputContext"): ("definitions.io_contexts", "OutputContext"),
    ("run.managed", "Handled"): ("steps.io_managers", "Handled"),
    **{
        (former, name): ("definitions.schemas.declarations", name)
        # The first name comes last: keys of cached outputs hold it.
        for former in ("config.config_types", "config.words")
        for name in (
            "Array",
            "Enum",
            "Field",
            "Map",
            "Noneable",
            "Permissive",
            "Selector",
            "Shape",
        )
    },
    ("config.config_types", "EnumValue"): ("definitions.schemas.config_types", "EnumValue"),
    ("config.words", "EnumValue"): ("definitions.schemas.config_types", "EnumValue"),
}
_FIRST_NAMES = {present: former for former, present in FORMER_NAMES.items()}


def stable_name(kind: type) -> tuple[str, str]:
    """Return the module and qualified name of a class as keys of cached outputs hold them."""
    module, name = kind.__module__, kind.__qualname__
    if module.startswith(_PACKAGE):
        former = _FIRST_NAMES.get((module[len(_PACKAGE) :], name))
        if former is not None:
            return _PACKAGE + former[0], former[1]
    return module, name


class StoredUnpickler(pickle.Unpickler):
    """An unpickler that finds classes of the package under their former names too."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return the class or function of that name."""
        if module.startswith(_PACKAGE):
            present = FORMER_NAMES.get((module[len(_PACKAGE) :], name))
            if present is not None:
                module, name = _PACKAGE + present[0], present[1]
        return super().find_class(module, name)


def load_stored(main: Any, buffers: Iterable[Any] = ()) -> Any:
    """Return the object that was pickled into ``main`` (bytes-like) and its out-of-band buffers.

    Raises whatever unpickling raises.
    """
    return StoredUnpickler(io.BytesIO(main), buffers=buffers).load()
