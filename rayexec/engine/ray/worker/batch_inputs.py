"""What the calls of one batch take."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.engine.packed_values import Packed, unpack
from rayexec.engine.ray.protocol.request import GONE, Follows, RemoteCall
from rayexec.errors import InputError
from rayexec.plan.model import FromStep, Template

__all__ = ["BatchInputs"]


class BatchInputs:
    """The values that calls of a batch take: what came with it (``large`` as arguments), and what
    calls before yielded.

    ``before`` is what the call before yielded, as live objects: its only consumer may have them
    without a copy. ``loading`` are the seconds in which large values were made objects.
    """

    def __init__(self, large: tuple[Packed, ...]) -> None:
        self.before: dict[str, Any] | None = None
        self.loading = 0.0
        self._large = large
        # The steps that calls further behind take from, and what those of them that are over
        # yielded.
        self.needed: set[int] = set()
        self.inside: dict[int, Mapping[str, bytes | int]] = {}

    def expect(self, calls: Sequence[RemoteCall]) -> None:
        """Keep what these calls will take from each other."""
        self.needed = {source[0] for call in calls if type(call[3]) is list for source in call[3]}

    def are_there(self, follows: Follows) -> bool:
        """Whether what a call follows has come out as it needs."""
        if follows is None:
            return True
        if isinstance(follows, tuple):
            return self.before is not None and self.before.keys() >= {*follows}
        return all(output in self.inside.get(step, ()) for step, output in follows)

    def yielded(
        self, step: int, stored: Mapping[str, bytes | int], live: dict[str, Any] | None
    ) -> None:
        """Take what a call yielded that succeeded, and the very objects where the next call is
        chained to it.
        """
        self.before = live
        if step in self.needed:
            self.inside[step] = stored

    def by_name(
        self, template: Template, wires: Sequence[Any], before: dict[str, Any] | None
    ) -> Mapping[str, Any]:
        """Return the inputs of a call, without those that are left to their defaults; raises
        InputError.
        """
        names = [name for name, each in template.op.ins.items() if not each.type.is_nothing]
        return {
            name: self.load(name, wire, before)
            for name, wire in zip(names, wires, strict=True)
            if wire is not None
        }

    def load(self, name: str, wire: Any, before: Mapping[str, Any] | None) -> Any:
        """Return the value behind a wire (see ``RemoteCall``); raises InputError where it cannot be
        unpickled.
        """
        if wire == GONE:
            raise InputError(
                f'the value of input "{name}" is not there: it was dropped, or never came'
            )
        try:
            if isinstance(wire, list):
                return [self.load(name, each, before) for each in wire]
            if type(wire) is tuple:
                return (before or {})[wire[0]]
            if isinstance(wire, FromStep):
                wire = self.inside[wire.step][wire.output]
            if isinstance(wire, bytes):
                return pickle.loads(wire)
            began = time.perf_counter()
            value = unpack(self._large[wire])
            self.loading += time.perf_counter() - began
            return value
        except InputError:
            raise
        except Exception as error:  # unpickling runs user code
            raise InputError(
                f'input "{name}" cannot be unpickled: {type(error).__name__}: {error}'
            ) from error
