"""An op under the name and the tags of its call in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.names import node_path

__all__ = ["CalledOp"]


@dataclass(frozen=True, slots=True)
class CalledOp:
    """An op as a graph calls it: ``context.op``.

    Two calls of one op differ in ``name`` and ``tags``. Other attributes are those of
    ``definition``.
    """

    name: str
    #: The OpDefinition.
    definition: Any
    tags: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of_step(step_key: str, definition: Any, tags: Mapping[str, str] | None = None) -> CalledOp:
        """Return the op of a step: its name is the last part of the step's path."""
        name = node_path(step_key).rpartition(".")[2]
        return CalledOp(name, definition, definition.tags if tags is None else tags)

    @staticmethod
    def of_call(given: Any) -> CalledOp:
        """Return the op of an OpDefinition, or of one with an alias, tags or hooks."""
        definition = getattr(given, "definition", given)
        return CalledOp(
            given.name or definition.name, definition, {**definition.tags, **given.tags}
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copies and pickles look for special methods
            raise AttributeError(name)
        return getattr(self.definition, name)
