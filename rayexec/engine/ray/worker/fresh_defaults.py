"""Defaults of inputs as objects of each call's own.

A default lives as long as the worker does: an op that changed it would change it for all later
steps there, and for none elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.engine.packed_values import IMMUTABLE, Packed, pack, unpack
from rayexec.errors import OutputStorageError
from rayexec.plan.model import Template

__all__ = ["FreshDefaults"]

_NONE: Mapping[str, bytes | Packed] = {}


class FreshDefaults:
    """Copies defaults that can be changed; they are pickled once."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._packed = {
            index: packed
            for index, template in enumerate(templates)
            if (packed := _changeable(template))
        }

    def of(self, template: int) -> dict[str, Any]:
        """Return new defaults for a call of a template, by input; without immutable ones."""
        packed = self._packed.get(template, _NONE)
        return {name: self.get(template, name, None) for name in packed}

    def get(self, template: int, name: str, default: Any) -> Any:
        """Return a new default for an input; ``default`` itself where nobody can change it."""
        packed = self._packed.get(template, _NONE).get(name)
        return default if packed is None else unpack(packed)


def _changeable(template: Template) -> dict[str, bytes | Packed]:
    changeable: dict[str, bytes | Packed] = {}
    for name, declared in template.op.ins.items():
        value = declared.default_value
        if not declared.has_default_value or type(value) in IMMUTABLE:
            continue
        try:
            packed = pack(value, f'the default of input "{name}"')
        except OutputStorageError:  # such as a lock, for all steps of a worker to share
            continue
        if isinstance(packed, Packed):
            # All copies share these buffers, as those in the object store: nobody may write.
            packed = Packed(
                packed.main, [memoryview(buffer).toreadonly() for buffer in packed.buffers]
            )
        changeable[name] = packed
    return changeable
