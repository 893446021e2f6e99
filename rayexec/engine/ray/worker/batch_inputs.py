"""Inputs of the calls of one batch."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.engine.packed_values import Packed, unpack
from rayexec.engine.ray.protocol.batch_request import GONE, Follows, RemoteCall
from rayexec.engine.ray.protocol.entries import StoredOutput
from rayexec.errors import InputError
from rayexec.plan.model import FromStep, Template

__all__ = ["BatchInputs"]


class BatchInputs:
    """Loads inputs: large values among the task's arguments, and outputs of earlier calls."""

    def __init__(self, large: tuple[Packed, ...]) -> None:
        #: Outputs of the call before, for a call that is chained to it: None, a boolean or an int
        #: may be there itself, any other value is its pickle. So each consumer gets the value as it
        #: was at its yield, and an object of its own, as in any other batch.
        self.before: Mapping[str, Any] | None = None
        #: Seconds of unpickling large values.
        self.loading = 0.0
        #: Steps that later calls take from.
        self.needed: set[int] = set()
        #: Outputs of those that are over.
        self.inside: dict[int, Mapping[str, StoredOutput]] = {}
        self._large = large

    def expect(self, calls: Sequence[RemoteCall]) -> None:
        """Look ahead for steps that later calls take from."""
        self.needed = {
            source[0] for call in calls if type(call.follows) is list for source in call.follows
        }

    def are_there(self, follows: Follows) -> bool:
        """Tell whether earlier calls have yielded what a call follows."""
        if follows is None:
            return True
        if isinstance(follows, tuple):
            before = self.before
            if before is None or len(follows) > 1:
                return before is not None and before.keys() >= {*follows}
            return not follows or follows[0] in before  # nearly always, and quicker than sets
        return all(output in self.inside.get(step, ()) for step, output in follows)

    def yielded(self, step: int, stored: Mapping[str, StoredOutput]) -> None:
        """Accept the outputs of a successful call."""
        # A large output, which is no pickle here, ends its batch: nothing follows it.
        self.before = stored
        if step in self.needed:
            self.inside[step] = stored

    def by_name(
        self, template: Template, wires: Sequence[Any], before: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """Return the inputs of a call, without defaults; raises InputError."""
        names = [name for name, port in template.op.ins.items() if not port.type.is_nothing]
        return {
            name: self.load(name, wire, before)
            for name, wire in zip(names, wires, strict=True)
            if wire is not None
        }

    def load(self, name: str, wire: Any, before: Mapping[str, Any] | None) -> Any:
        """Return the value of a wire (see ``RemoteCall``); raises InputError."""
        if wire == GONE:
            raise InputError(
                f'the value of input "{name}" is not there: it was dropped, or never came'
            )
        try:
            if isinstance(wire, list):
                return [self.load(name, member, before) for member in wire]
            if type(wire) is tuple:
                value = (before or {})[wire[0]]
                return pickle.loads(value) if type(value) is bytes else value
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
