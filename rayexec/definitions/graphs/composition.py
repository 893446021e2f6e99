"""Composition of a graph by running its body: calls become nodes, results become handles."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import takewhile
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
    PendingNodeInvocation,
)
from rayexec.definitions.stand_ins.inert import StandIn, in_body
from rayexec.errors import DefinitionError, InvocationError
from rayexec.names import nearest

__all__ = ["Composition", "composing", "two_of_one_name"]


class Composition:
    """Graph or job in the making: collects the calls of its body as nodes with unique names."""

    def __init__(self, kind: str, name: str) -> None:
        self._where = f"@{kind} {name}"
        self._nodes: dict[str, Invocation[Invocable]] = {}
        self._definitions: dict[str, Invocable] = {}
        self._graph_inputs_used: set[str] = set()
        # By name of node: what was made for a call, and is not called so far.
        self._uncalled: dict[str, PendingNodeInvocation] = {}
        self._counts: dict[str, int] = {}
        # The deepest level among the inputs of the node in the making.
        self._deepest: Level = ()
        # The collected lists among them.
        self._lists: list[InvokedOutput] = []
        # The level of the mapped functions that run now. Each function of them has a count of the
        # nodes before it, and the source of its handle.
        self._level: Level = ()
        self._nodes_before: tuple[int, ...] = ()
        self._mapped: tuple[Source, ...] = ()

    @property
    def nodes(self) -> tuple[Invocation[Invocable], ...]:
        """The nodes so far, in the order of the calls."""
        return tuple(self._nodes.values())

    @property
    def graph_inputs_used(self) -> Set[str]:
        """The inputs of the body that any node takes."""
        return self._graph_inputs_used

    @property
    def uncalled(self) -> Iterable[PendingNodeInvocation]:
        """Definitions under an alias, with tags, hooks or a retry policy that nothing calls."""
        return self._uncalled.values()

    def expect_call(self, pending: PendingNodeInvocation, earlier: PendingNodeInvocation) -> None:
        """Note that the body made ``pending`` of an ``earlier`` one for a call."""
        if self._uncalled.get(earlier.node_name) is earlier:
            del self._uncalled[earlier.node_name]
        self._uncalled[pending.node_name] = pending

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
        if not (self._is_alongside(handle) or self._is_whole_here(handle)):
            self._check_dynamic(handle, "map")
        if not callable(fn):
            raise InvocationError(
                f"{self._where}: {handle!r}.map takes an op or a function, got {fn!r}."
            )
        outside = self._level, self._nodes_before, self._mapped
        if self._level[: len(handle.level)] != handle.level:
            pairs = zip(self._level, handle.level, strict=False)
            common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
            deeper = len(handle.level) - common
            self._level = handle.level
            self._nodes_before = self._nodes_before[:common] + (len(self._nodes),) * deeper
        self._mapped += (handle.source,)
        try:
            returned = fn(handle.made_at(len(handle.level)))
        finally:
            self._level, self._nodes_before, self._mapped = outside
        return self._from_mapped(handle, returned)

    def _from_mapped(self, handle: InvokedOutput, returned: Any) -> Any:
        """Return what a mapped function returned as handles of all its values."""
        depth = min(len(self._level), len(handle.level) - 1)
        if isinstance(returned, (InvokedOutput, InvokedOutputs)):
            return returned.made_at(depth)
        if isinstance(returned, Mapping):
            return {key: self._from_mapped(handle, each) for key, each in returned.items()}
        if isinstance(returned, (tuple, list)):
            kind = list if isinstance(returned, list) else tuple
            return kind([self._from_mapped(handle, each) for each in returned])
        if returned is not None:
            raise InvocationError(
                f"{self._where}: what {handle!r} is mapped by must return outputs of nodes, "
                f"and returned a {type(returned).__name__}."
            )
        return None

    def collect(self, handle: InvokedOutput) -> InvokedOutput:
        """Return the handle of the list of all values of ``handle``."""
        if not self._is_whole_here(handle):
            self._check_dynamic(handle, "collect")
        source = self.source_of(handle, "what is collected")
        if isinstance(source, GraphInput):  # no dynamic output is above the inputs of a graph
            raise InvocationError(f"{self._where}: {handle!r} is not dynamic.")
        level = handle.level[:-1]
        return InvokedOutput(self, Collected(source), level, min(handle.depth, len(level)))

    def _is_whole_here(self, handle: InvokedOutput) -> bool:
        """Whether a handle from outside of the running function still means all its values.

        So ``x.map(lambda one: add(one, total(x.collect())))`` has the total of all.
        """
        common = min(len(handle.level) - 1, len(self._level))
        return (
            handle.is_whole
            and handle.belongs_to(self)
            and handle.level[:common] == self._level[:common]
        )

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

    @contextlib.contextmanager
    def mapped_over(self, level: Level) -> Iterator[None]:
        """Record the calls in the ``with`` block as mapped over the dynamic outputs ``level``."""
        outside, self._level = self._level, level
        try:
            yield
        finally:
            self._level = outside

    def invoke(
        self, pending: PendingNodeInvocation, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Record one call and return the handles of its outputs."""
        definition = pending.definition
        args = [self._placed(value) for value in args]
        kwargs = {name: self._placed(value) for name, value in kwargs.items()}
        name = self._name(pending)
        self._check_definition(definition)
        self._uncalled.pop(name if pending.name is not None else definition.name, None)
        self._deepest, self._lists = (), []
        inputs = self._bind(name, definition, args, kwargs)
        self._check_lists(name)
        level, depth = self._deepest, len(self._level)
        self._nodes[name] = Invocation(
            name, definition, inputs, pending.tags, pending.hooks, pending.retry_policy
        )
        outputs = {
            output: InvokedOutput(
                self,
                NodeOutput(name, output),
                (*level, *[f"{name}.{each}" for each in below]),
                min(len(level), depth),
            )
            for output, below in definition.levels_by_output().items()
        }
        if len(outputs) == 1:
            return next(iter(outputs.values()))
        return InvokedOutputs(name, outputs) if outputs else None

    def _placed(self, value: Any) -> Any:
        """The output of a step in place of a stand-in, such as an asset that is an input."""
        if isinstance(value, StandIn):
            return in_body(self, value)
        return value

    def _name(self, pending: PendingNodeInvocation) -> str:
        definition = pending.definition
        if pending.name is not None:
            if pending.name in self._nodes:
                raise DefinitionError(
                    f"{self._where}: two nodes are called {pending.name!r}; give one of them "
                    f"another alias."
                )
            return pending.name
        while True:
            count = self._counts[definition.name] = self._counts.get(definition.name, 0) + 1
            name = definition.name if count == 1 else f"{definition.name}_{count}"
            if name not in self._nodes:
                return name

    def _check_definition(self, definition: Invocable) -> None:
        if self._definitions.setdefault(definition.name, definition) is not definition:
            raise DefinitionError(two_of_one_name(self._where, definition.name))

    def _bind(
        self,
        node: str,
        definition: Invocable,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> dict[str, Binding]:
        names = definition.input_names()
        positional = definition.positional_inputs() if args else ()
        if len(positional) < len(args) <= len(names):
            raise InvocationError(
                f"{self._where}: {node} takes {len(positional)} positional input"
                f"{'' if len(positional) == 1 else 's'} ({', '.join(positional) or 'none'}), since "
                f"its function has no order for {', '.join(names[len(positional) :])}: give these "
                f"by keyword."
            )
        if len(args) > len(names):
            raise InvocationError(
                f"{self._where}: {node} takes {len(names)} input{'' if len(names) == 1 else 's'} "
                f"({', '.join(names) or 'none'}), got {len(args)}."
            )
        values = dict(zip(positional, args, strict=False))
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
            if isinstance(source, GraphInput):
                self._graph_inputs_used.add(source.name)
            elif isinstance(source, Collected):
                self._lists.append(value)
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
        if isinstance(value, (Invocable, PendingNodeInvocation)):
            definition = value.definition if isinstance(value, PendingNodeInvocation) else value
            raise InvocationError(
                f"{self._where}: {what} got {definition.name!r} itself, and not its output: did "
                f"you forget parentheses? Call it: {definition.name}()."
            )
        raise InvocationError(
            f"{self._where}: {what} received invalid type {type(value).__name__}; a job's body "
            f"connects outputs to inputs. Give a fixed value by In(default_value={value!r}), by "
            f"run config, or by an op that returns it."
        )

    def _check_lists(self, node: str) -> None:
        """Raise InvocationError if a node is mapped over values and also collects others."""
        for handle in self._lists:
            if len(handle.level) < len(self._deepest):
                raise InvocationError(
                    f"{self._where}: {node} takes {handle!r}, and is mapped over "
                    f"{self._deepest[-1]!r}: a node either collects values or is mapped over them. "
                    f"Hand the list through an op first, such as total(x.collect())."
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


def two_of_one_name(where: str, name: str) -> str:
    """Return the message for two definitions of one name in a job; ``where`` is the job."""
    return (
        f"{where}: two different ops or graphs are called {name!r}, so results and config by that "
        f"name could mean either. Rename one of them (name=…); an alias names only the call."
    )


@contextlib.contextmanager
def composing(kind: str, name: str) -> Iterator[Composition]:
    """Record calls of ops and graphs as nodes in the ``with`` block."""
    composition = Composition(kind, name)
    token = CURRENT_BODY.set(composition)
    try:
        yield composition
    finally:
        CURRENT_BODY.reset(token)
