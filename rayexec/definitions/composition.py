"""What happens while the body of a graph or job runs: calls become invocations, results become
handles.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rayexec.definitions.handles import (
    Binding,
    Collected,
    GraphInput,
    InvokedOutput,
    InvokedOutputs,
    Level,
    NodeOutput,
    Source,
)
from rayexec.definitions.invocation import (
    CURRENT_BODY,
    Invocable,
    Invocation,
    PendingInvocation,
)
from rayexec.errors import DefinitionError, InvocationError
from rayexec.names import nearest

__all__ = ["Composition", "composing"]


class Composition:
    """The graph or job whose body is running: collects its invocations under names that do not
    clash.
    """

    def __init__(self, kind: str, name: str) -> None:
        self._where = f"@{kind} {name}"
        self._nodes: dict[str, Invocation[Invocable]] = {}
        self._counts: dict[tuple[str, int], int] = {}
        # Of the inputs that are being bound, the level of that which is below most dynamic outputs.
        self._deepest: Level = ()
        # The dynamic outputs whose values the function that runs now is mapped over; for each of
        # them how many nodes there were before, and the handles that the functions got.
        self._level: Level = ()
        self._before: tuple[int, ...] = ()
        self._mapped: tuple[Source, ...] = ()

    @property
    def nodes(self) -> tuple[Invocation[Invocable], ...]:
        """The invocations so far, in the order of the calls."""
        return tuple(self._nodes.values())

    def describe(self, source: Source) -> str:
        """Return a source in words, for messages."""
        if isinstance(source, GraphInput):
            return f"input {source.name!r} of {self._where}"
        if isinstance(source, Collected):
            return f"collected {self.describe(source.source)}"
        return f"output {source.output!r} of node {source.node!r} in {self._where}"

    def graph_input(self, name: str) -> InvokedOutput:
        """Return the handle that the body gets for one of its own inputs."""
        return InvokedOutput(self, GraphInput(name))

    def source_of(self, handle: InvokedOutput, what: str) -> Source:
        """Return where ``handle`` points; raises InvocationError for one made in another body."""
        if not handle.belongs_to(self):
            raise InvocationError(
                f"{self._where}: {what} is {handle!r}, which was made in another body."
            )
        return handle.source

    def map(self, handle: InvokedOutput, fn: Callable[[Any], Any]) -> Any:
        """Run ``fn`` on a handle that stands for one of the values of a dynamic output."""
        if not self._is_alongside(handle):
            self._check_dynamic(handle, "map")
        if not callable(fn):
            raise InvocationError(
                f"{self._where}: {handle!r}.map takes an op or a function, got {fn!r}."
            )
        outside = self._level, self._before, self._mapped
        deeper = len(handle.level) - len(self._level)
        if deeper > 0:
            self._level = handle.level
            self._before += (len(self._nodes),) * deeper
        self._mapped += (handle.source,)
        try:
            returned = fn(handle)
        finally:
            self._level, self._before, self._mapped = outside
        several = returned.values() if isinstance(returned, Mapping) else returned
        for each in (
            several
            if isinstance(several, (tuple, list)) or isinstance(returned, Mapping)
            else [returned]
        ):
            if each is not None and not isinstance(each, (InvokedOutput, InvokedOutputs)):
                raise InvocationError(
                    f"{self._where}: what {handle!r} is mapped by must return outputs of nodes, "
                    f"and returned {each!r}."
                )
        return returned

    def collect(self, handle: InvokedOutput) -> InvokedOutput:
        """Return the handle of the list of the values that ``handle`` stands for."""
        self._check_dynamic(handle, "collect")
        source = self.source_of(handle, "what is collected")
        if isinstance(source, GraphInput):  # the inputs of a graph are below nothing in it
            raise InvocationError(f"{self._where}: {handle!r} is not dynamic.")
        return InvokedOutput(self, Collected(source), handle.level[:-1])

    def _is_alongside(self, handle: InvokedOutput) -> bool:
        """Whether the function that runs now is mapped over the same dynamic outputs, and the
        handle is from outside.

        Mapping over it then is going on with its value of the same keys.
        """
        depth = len(handle.level)
        if depth == 0 or handle.level != self._level[:depth] or not handle.belongs_to(self):
            return False
        inner = handle.source
        while isinstance(inner, Collected):
            inner = inner.source
        if handle.source in self._mapped or isinstance(inner, GraphInput):
            return False
        return list(self._nodes).index(inner.node) < self._before[depth - 1]

    def stands_for_several(self, handle: InvokedOutput) -> bool:
        """Whether a handle is, where the body is now, as many values as a dynamic output has."""
        return len(handle.level) > len(self._level)

    def _check_dynamic(self, handle: InvokedOutput, verb: str) -> None:
        if not handle.belongs_to(self):
            raise InvocationError(
                f"{self._where}: {handle!r} was made in another body; {verb} it there."
            )
        depth = len(self._level)
        if len(handle.level) > depth and handle.level[:depth] == self._level:
            return
        if handle.level != self._level[: len(handle.level)]:
            raise InvocationError(self._two_sources(handle, f"{handle!r}.{verb}"))
        if handle.level:
            raise InvocationError(
                f"{self._where}: {handle!r} is one value here, where what runs is mapped over "
                f"{handle.level[-1]!r}, so "
                f"there is nothing to {verb}. {verb.capitalize()} it outside of that function; "
                f"or, if its op shall "
                "yield several values each time, declare their output DynamicOut()."
            )
        raise InvocationError(
            f"{self._where}: {handle!r} is one value here, so there is nothing to {verb}. Declare "
            f"the output that "
            "shall be several values DynamicOut(), and have its op yield DynamicOutput(value, "
            "mapping_key)."
        )

    def _two_sources(self, handle: InvokedOutput, what: str) -> str:
        mine, other = self._level[-1], handle.level[-1]
        return (
            f"{self._where}: {what} would be below two dynamic outputs that do not depend on each "
            f"other, {mine!r} and "
            f"{other!r}. Collect one of them first, or make the one below the other."
        )

    def invoke(
        self, pending: PendingInvocation, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Record one call and return the handles of its outputs."""
        definition = pending.definition
        name = self._name(pending)
        self._deepest = ()
        inputs = self._bind(name, definition, args, kwargs)
        level = self._deepest
        self._nodes[name] = Invocation(
            name, definition, inputs, pending.tags, pending.hooks, pending.retry_policy
        )
        outputs = {
            output: InvokedOutput(
                self, NodeOutput(name, output), (*level, *[f"{name}.{each}" for each in below])
            )
            for output, below in definition.levels_by_output().items()
        }
        if len(outputs) == 1:
            return next(iter(outputs.values()))
        return InvokedOutputs(name, outputs) if outputs else None

    def _name(self, pending: PendingInvocation) -> str:
        definition = pending.definition
        if pending.name is not None:
            if pending.name in self._nodes:
                raise DefinitionError(
                    f"{self._where}: two nodes are called {pending.name!r}; give one of them "
                    f"another alias."
                )
            return pending.name
        key = (definition.name, id(definition))
        if key not in self._counts and definition.name in self._nodes:
            raise DefinitionError(
                f"{self._where}: two different definitions are called {definition.name!r}; rename "
                f"one of them, or "
                "give one an alias."
            )
        while True:
            count = self._counts[key] = self._counts.get(key, 0) + 1
            name = definition.name if count == 1 else f"{definition.name}_{count}"
            if name not in self._nodes:
                return name

    def _bind(
        self,
        node: str,
        definition: Invocable,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> dict[str, Binding]:
        names = definition.input_names()
        if len(args) > len(names):
            raise InvocationError(
                f"{self._where}: {node} takes {len(names)} input{'' if len(names) == 1 else 's'} "
                f"({', '.join(names) or 'none'}), got {len(args)}."
            )
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise InvocationError(
                    f"{self._where}: {node} has no input {name!r}; it has "
                    f"{', '.join(names) or 'none'}."
                    f"{nearest(name, names)}"
                )
            if name in given:
                raise InvocationError(f"{self._where}: {node} got input {name!r} twice.")
            given[name] = value
        return {name: self._binding(node, name, value) for name, value in given.items()}

    def _binding(self, node: str, name: str, value: Any) -> Binding:
        what = f"input {name!r} of {node}"
        if isinstance(value, InvokedOutput):
            source = self.source_of(value, what)
            self._check_level(node, value, what)
            return source
        if isinstance(value, (list, tuple)):
            bound = [self._binding(node, name, each) for each in value]
            if any(isinstance(each, (tuple, Collected)) for each in bound):
                raise InvocationError(
                    f"{self._where}: {what} is a list within a list; a fan-in is one flat list."
                )
            return tuple(each for each in bound if not isinstance(each, tuple))
        if isinstance(value, InvokedOutputs):
            raise InvocationError(
                f"{self._where}: {what} got {value!r}: pick one of them, by name or by unpacking."
            )
        if isinstance(value, (Invocable, PendingInvocation)):
            raise InvocationError(
                f"{self._where}: {what} got {value.name!r} itself; call it: {value.name}()."
            )
        raise InvocationError(
            f"{self._where}: {what} received invalid type {type(value).__name__}; a job's body "
            f"connects outputs to "
            f"inputs. Give a fixed value by In(default_value={value!r}), by run config, or by an "
            f"op that returns it."
        )

    def _check_level(self, node: str, handle: InvokedOutput, what: str) -> None:
        """Raise InvocationError for a handle that stands for several values where the node takes
        one.
        """
        depth = len(handle.level)
        if handle.level != self._level[:depth]:
            if handle.level[: len(self._level)] != self._level:
                raise InvocationError(self._two_sources(handle, what))
            raise InvocationError(
                f"{self._where}: {what} is {handle!r}, which is dynamic: as many values as "
                f"{handle.level[-1]!r} "
                f"yields. Run {node} for each of them by .map({node}), or pass all of them in a "
                f"list by .collect()."
            )
        if depth > len(self._deepest):
            self._deepest = handle.level


@contextlib.contextmanager
def composing(kind: str, name: str) -> Iterator[Composition]:
    """Make calls of ops and graphs invocations for as long as the ``with`` block lasts."""
    composition = Composition(kind, name)
    token = CURRENT_BODY.set(composition)
    try:
        yield composition
    finally:
        CURRENT_BODY.reset(token)
