"""Direct calls of ops: arguments, inputs and outputs, checked as in a step."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from typing import Any, NamedTuple

from rayexec.definitions.compute_functions import takes_dict
from rayexec.definitions.invocation import PendingNodeInvocation
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import Output
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.user_events import USER_EVENTS
from rayexec.direct.op_context import DirectOpExecutionContext, build_op_context
from rayexec.errors import InvocationError
from rayexec.names import nearest
from rayexec.steps.checked_ports import failed_check, wrong_type
from rayexec.steps.outputs import OutputCollector

__all__ = ["call_op"]


class _Arguments(NamedTuple):
    """The arguments of a call by their roles."""

    context: DirectOpExecutionContext | None
    positional: tuple[Any, ...]
    named: dict[str, Any]
    config: Any
    resources: dict[str, Any]


def call_op(
    pending: PendingNodeInvocation, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Run the function of an op on plain values, and return its result or its checked items.

    ``args`` and ``kwargs`` have the context first if the function takes one, and values for its
    inputs, resources and config. Raises InvocationError for arguments that do not fit,
    TypeCheckError and OutputError for wrong values.
    """
    op = pending.definition
    assert isinstance(op, OpDefinition)
    if takes_dict(op.fn):
        raise InvocationError(
            f"op {op.name!r} has a compute_fn of a dict of inputs, so it cannot be called with "
            f"values: use @op, or call the compute_fn."
        )
    call = _Call(pending, op, _separated(op, args, kwargs))
    return call.run()


def _separated(op: OpDefinition, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Arguments:
    parameters = op.parameters
    named = dict(kwargs)
    context, args = _split_context(op, args, named)
    order = [
        each
        for each in inspect.signature(op.fn).parameters.values()
        if each.name != parameters.context and each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    config = named.pop(parameters.config, None) if parameters.config is not None else None
    resources = {key: named.pop(key) for key in parameters.resources if key in named}
    positional = []
    for position, value in enumerate(args):
        name = order[position].name if position < len(order) else None
        if name in parameters.resources:
            resources[str(name)] = value
        elif name is not None and name == parameters.config:
            config = value
        else:
            positional.append(value)
    return _Arguments(context, tuple(positional), named, config, resources)


def _split_context(
    op: OpDefinition, args: tuple[Any, ...], named: dict[str, Any]
) -> tuple[DirectOpExecutionContext | None, tuple[Any, ...]]:
    """Return the context and the other positional arguments; take the context out of ``named``."""
    parameter = op.parameters.context
    if parameter is None:  # a context may come all the same
        if args and isinstance(args[0], DirectOpExecutionContext):
            return args[0], args[1:]
        return None, args
    if args:
        context, args = args[0], args[1:]
    elif parameter in named:
        context = named.pop(parameter)
    else:
        context = NotImplemented
    if context is None or isinstance(context, DirectOpExecutionContext):
        return context, args
    raise InvocationError(
        f"op {op.name!r} takes a context: pass one first, made by build_op_context(), or None "
        f"where it is unused."
    )


class _Call:
    """One call of an op."""

    def __init__(self, pending: PendingNodeInvocation, op: OpDefinition, given: _Arguments) -> None:
        self._op = op
        self._given = given
        self._context = build_op_context() if given.context is None else given.context
        try:
            self._context.bind(pending, given.config, given.resources)
        except BaseException:
            self._close()
            raise

    def run(self) -> Any:
        """Call the function; its result ends the call, or else its last item does."""
        op, context = self._op, self._context
        try:
            arguments = self._inputs()
            if op.parameters.config is not None:
                arguments[op.parameters.config] = context.config_argument
            for key in op.parameters.resources:
                arguments[key] = context.resources.original(key)
            result = op.fn(*(() if op.parameters.context is None else (context,)), **arguments)
            if inspect.isgenerator(result):
                return self._items(result)
            if inspect.isasyncgen(result):
                return self._items_async(result)
            if inspect.iscoroutine(result):
                return self._awaited(result)
            self._check_result(result)
        except BaseException:
            self._end()
            raise
        self._end()
        return result

    def _end(self) -> None:
        self._context.unbind()
        self._close()

    def _close(self) -> None:
        if self._given.context is None:
            self._context.close_resources()

    def _inputs(self) -> dict[str, Any]:
        """Return the arguments for the op's inputs, each of its type."""
        op, given = self._op, self._given
        parameters = op.parameters
        nothing = [name for name, each in op.ins.items() if each.type.is_nothing]
        for name in nothing:
            if name in given.named:
                raise InvocationError(
                    f"op {op.name!r}: input {name!r} is Nothing, which passes no value: call the "
                    f"op without it."
                )
        hint = f" {nothing[0]!r} is Nothing, and passes no value." if nothing else ""
        if len(given.positional) > len(parameters.inputs):
            raise InvocationError(
                f"op {op.name!r} takes {len(parameters.inputs)} inputs by position, got "
                f"{len(given.positional)}.{hint}"
            )
        values = dict(zip(parameters.inputs, given.positional, strict=False))
        for name, value in given.named.items():
            if name in values:
                raise InvocationError(f"op {op.name!r} got input {name!r} twice.")
            if name not in op.ins:
                raise InvocationError(
                    f"op {op.name!r} has no input {name!r}.{nearest(name, op.ins)}"
                )
            values[name] = value
        for name in parameters.inputs:
            if name in values:
                continue
            declared = op.ins[name]
            if not declared.has_default_value:
                raise InvocationError(f"op {op.name!r} needs a value for input {name!r}.")
            values[name] = declared.default_value
        for name, value in values.items():
            self._check_type(op.ins[name].type, value, f'input "{name}"')
        return values

    def _check_type(self, kind: DagsterType, value: Any, what: str) -> None:
        port = f'{what} of op "{self._op.name}"'
        failed = failed_check(value, kind, port, lambda: self._context)
        if failed is not None:
            raise wrong_type(port, failed, kind)

    def _collector(self) -> OutputCollector:
        return OutputCollector(self._op, self._emit, self._context.log)

    def _emit(
        self,
        name: str,
        stored_as: str,
        value: Any,
        _metadata: Mapping[str, Any] | None,
        _mapping_key: str | None,
    ) -> None:
        self._check_type(self._op.outs[name].type, value, f'output "{name}"')
        self._context.observe_output(stored_as)

    def _check_result(self, result: Any) -> None:
        self._collector().add_result(result)

    def _items(self, generator: Iterator[Any]) -> Iterator[Any]:
        """Yield the items of an op that is a generator, each checked."""
        collector = self._collector()
        try:
            for item in generator:
                self._add(collector, item)
                yield item
            yield from self._implied(collector)
        finally:
            self._end()

    async def _items_async(self, generator: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield the items of an op that is an async generator, each checked."""
        collector = self._collector()
        try:
            async for item in generator:
                self._add(collector, item)
                yield item
            for item in self._implied(collector):
                yield item
        finally:
            self._end()

    async def _awaited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return the result of an op that is a coroutine function, checked."""
        try:
            result = await coroutine
            self._check_result(result)
        finally:
            self._end()
        return result

    @staticmethod
    def _add(collector: OutputCollector, item: Any) -> None:
        if not isinstance(item, USER_EVENTS):
            collector.add_item(item)

    def _implied(self, collector: OutputCollector) -> Iterator[Output[None]]:
        """Yield the outputs of type Nothing that a step yields by itself."""
        yielded = set(self._context.outputs_so_far)
        collector.check()
        for name in self._op.outs:
            if name in self._context.outputs_so_far and name not in yielded:
                yield Output(None, name)
