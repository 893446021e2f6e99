"""Composition of a graph by running its body: calls become nodes, results become handles."""

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
    """Graph or job in the making: collects the calls of its body as nodes with unique names."""

    def __init__(self, kind: str, name: str) -> None:
        self._where = f"@{kind} {name}"
        self._nodes: dict[str, Invocation[Invocable]] = {}
        self._counts: dict[tuple[str, int], int] = {}
        # The deepest level among the inputs of the node in the making.
        self._deepest: Level = ()
        # The level of the mapped functions that run now. Each function of them has a count of the
        # nodes before it, and the source of its handle.
        self._level: Level = ()
        self._nodes_before: tuple[int, ...] = ()
        self._mapped: tuple[Source, ...] = ()

    @property
    def nodes(self) -> tuple[Invocation[Invocable], ...]:
        """The nodes so far, in the order of the calls."""
        return tuple(self._nodes.values())

    def describe(self, source: Source) -> str:
        """Return a source in words, for messages."""
        if isinstance(source, GraphInput):
            return f"input {source.name!r} of {self._where}"
        if isinstance(source, Collected):
            return f"collected {self.describe(source.source)}"
        return f"output {source.output!r} of node {source.node!r} in {self._where}"

    def graph_input(self, name: str) -> InvokedOutput:
        """Return the handle of an input of the body."""
        return InvokedOutput(self, GraphInput(name))

    def source_of(self, handle: InvokedOutput, what: str) -> Source:
        """Return the source of ``handle``; raises InvocationError for one of another body."""
        if not handle.belongs_to(self):
            raise InvocationError(
                f"{self._where}: {what} is {handle!r}, which was made in another body."
            )
        return handle.source

    def map(self, handle: InvokedOutput, fn: Callable[[Any], Any]) -> Any:
        """Run ``fn`` once, on a handle for a single value of a dynamic output."""
        if not self._is_alongside(handle):
            self._check_dynamic(handle, "map")
        if not callable(fn):
            raise InvocationError(
                f"{self._where}: {handle!r}.map takes an op or a function, got {fn!r}."
            )
        outside = self._level, self._nodes_before, self._mapped
        deeper = len(handle.level) - len(self._level)
        if deeper > 0:
            self._level = handle.level
            self._nodes_before += (len(self._nodes),) * deeper
        self._mapped += (handle.source,)
        try:
            returned = fn(handle)
        finally:
            self._level, self._nodes_before, self._mapped = outside
        results: Any = [returned]
        if isinstance(returned, Mapping):
            results = returned.values()
        elif isinstance(returned, (tuple, list)):
            results = returned
        for result in results:
            if result is not None and not isinstance(result, (InvokedOutput, InvokedOutputs)):
                raise InvocationError(
                    f"{self._where}: what {handle!r} is mapped by must return outputs of nodes, "
                    f"and returned {result!r}."
                )
        return returned

    def collect(self, handle: InvokedOutput) -> InvokedOutput:
        """Return the handle of the list of all values of ``handle``."""
        self._check_dynamic(handle, "collect")
        source = self.source_of(handle, "what is collected")
        if isinstance(source, GraphInput):  # no dynamic output is above the inputs of a graph
            raise InvocationError(f"{self._where}: {handle!r} is not dynamic.")
        return InvokedOutput(self, Collected(source), handle.level[:-1])

    def _is_alongside(self, handle: InvokedOutput) -> bool:
        """Whether a handle from outside of the running function has the level of that function.

        Such a handle stands for its value of the same mapping keys.
        """
        depth = len(handle.level)
        if depth == 0 or handle.level != self._level[:depth] or not handle.belongs_to(self):
            return False
        inner = handle.source
        while isinstance(inner, Collected):
            inner = inner.source
        if handle.source in self._mapped or isinstance(inner, GraphInput):
            return False
        return list(self._nodes).index(inner.node) < self._nodes_before[depth - 1]

    def stands_for_several(self, handle: InvokedOutput) -> bool:
        """Whether a handle is, at this point of the body, all values of a dynamic output."""
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
                f"{handle.level[-1]!r}, so there is nothing to {verb}. {verb.capitalize()} it "
                f"outside of that function; or, if its op shall yield several values each time, "
                f"declare their output DynamicOut()."
            )
        raise InvocationError(
            f"{self._where}: {handle!r} is one value here, so there is nothing to {verb}. Declare "
            f"the output that shall be several values DynamicOut(), and have its op yield "
            f"DynamicOutput(value, mapping_key)."
        )

    def _two_sources(self, handle: InvokedOutput, what: str) -> str:
        mine, other = self._level[-1], handle.level[-1]
        return (
            f"{self._where}: {what} would be below two dynamic outputs that do not depend on each "
            f"other, {mine!r} and {other!r}. Collect one of them first, or make the one below the "
            f"other."
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
                f"one of them, or give one an alias."
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
        values = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise InvocationError(
                    f"{self._where}: {node} has no input {name!r}; it has "
                    f"{', '.join(names) or 'none'}."
                    f"{nearest(name, names)}"
                )
            if name in values:
                raise InvocationError(f"{self._where}: {node} got input {name!r} twice.")
            values[name] = value
        return {name: self._binding(node, name, value) for name, value in values.items()}

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
            f"connects outputs to inputs. Give a fixed value by In(default_value={value!r}), by "
            f"run config, or by an op that returns it."
        )

    def _check_level(self, node: str, handle: InvokedOutput, what: str) -> None:
        """Raise InvocationError if a handle stands for several values, but the node takes one."""
        depth = len(handle.level)
        if handle.level != self._level[:depth]:
            if handle.level[: len(self._level)] != self._level:
                raise InvocationError(self._two_sources(handle, what))
            raise InvocationError(
                f"{self._where}: {what} is {handle!r}, which is dynamic: as many values as "
                f"{handle.level[-1]!r} yields. Run {node} for each of them by .map({node}), or "
                f"pass all of them in a list by .collect()."
            )
        if depth > len(self._deepest):
            self._deepest = handle.level


@contextlib.contextmanager
def composing(kind: str, name: str) -> Iterator[Composition]:
    """Record calls of ops and graphs as nodes in the ``with`` block."""
    composition = Composition(kind, name)
    token = CURRENT_BODY.set(composition)
    try:
        yield composition
    finally:
        CURRENT_BODY.reset(token)
