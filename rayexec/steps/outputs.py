"""Collector of the outputs that an op returns or yields."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import DynamicOutput, Output
from rayexec.definitions.surroundings import StepLog
from rayexec.definitions.user_events import USER_EVENTS, UserEvent
from rayexec.errors import OutputError, OutputNotFoundError
from rayexec.names import nearest

__all__ = ["OutputCollector"]

# Receives output, stored name, value, metadata, and mapping key or None.
Emit = Callable[[str, str, Any, "Mapping[str, Any] | None", "str | None"], None]


class OutputCollector:
    """Assigns the values that an op returns or yields to its outputs and passes them to ``emit``.

    The stored name of a value of a dynamic output is ``name[key]``. ``report`` gets events that the
    op yields, such as an AssetMaterialization. Every method raises OutputError for a value that
    contradicts the op's definition.
    """

    __slots__ = ("_count", "_emit_value", "_log", "_names", "_op", "_report")

    def __init__(
        self,
        op: OpDefinition,
        emit: Emit,
        log: StepLog,
        report: Callable[[UserEvent], None] | None = None,
    ) -> None:
        self._op = op
        self._emit_value = emit
        self._report = report
        self._log = log
        self._names: set[str] = set()
        self._count = 0

    def release(self) -> None:
        """Drop ``emit`` and ``report``, which form a circle with their owner."""
        del self._emit_value
        self._report = None

    def add_result(self, result: Any) -> None:
        """Add the result of the op's function, or all items of it if it is a generator."""
        op = self._op
        if inspect.iscoroutine(result):
            result = _run_async(result)
        if inspect.isgenerator(result):
            self._add_yielded(result)
        elif inspect.isasyncgen(result):
            _run_async(self._add_async(result))
        elif isinstance(result, USER_EVENTS):
            raise OutputError(
                f'op "{op.name}" returned {_an_item(result)}: log it by context.log_event, or '
                f"yield it before the outputs."
            )
        elif len(op.outs) == 1 and not isinstance(result, (Output, DynamicOutput)):
            ((name, out),) = op.outs.items()
            if out.is_dynamic:
                self._add_values(name, result)
            else:
                self._add_value(name, result)
        else:
            self._add_returned(result)
        self.check()

    def check(self) -> None:
        """Raise OutputNotFoundError where a required output is missing."""
        op = self._op
        for name, out in op.outs.items():
            # A dynamic output may have no values at all.
            if name in self._names or not out.is_required or out.is_dynamic:
                continue
            if out.type.is_nothing:
                self._emit(name, None, None)
            else:
                raise OutputNotFoundError(
                    f'op "{op.name}" did not return or yield its required output "{name}". Yield '
                    f"Output(value, "
                    f'"{name}"), or declare it Out(is_required=False).'
                )

    def _add_yielded(self, generator: Iterator[Any]) -> None:
        for item in generator:
            self.add_item(item)

    async def _add_async(self, generator: AsyncIterator[Any]) -> None:
        async for item in generator:
            self.add_item(item)

    def add_item(self, item: Any) -> None:
        """Add one item that the op yielded."""
        op = self._op
        if isinstance(item, DynamicOutput):
            self._emit(item.output_name, item.value, item.metadata, item.mapping_key)
        elif isinstance(item, Output):
            self._emit(item.output_name, item.value, item.metadata)
        elif self._report is not None and isinstance(item, USER_EVENTS):
            self._report(item)
        elif len(op.outs) == 1 and op.is_dynamic:
            self._emit(next(iter(op.outs)), item, None, str(self._count))
        else:
            raise OutputError(
                f'op "{op.name}" yielded a {type(item).__name__}; yield Output(value, "name") '
                f"instead" + (', or DynamicOutput(value, "key", "name").' if op.is_dynamic else ".")
            )

    def _add_values(self, name: str, values: Any) -> None:
        """Add a list for a dynamic output: DynamicOutputs, or plain values for keys 0, 1, 2 …."""
        if not isinstance(values, (list, tuple)):
            raise OutputError(
                f'op "{self._op.name}" returned {_an_item(values)} for its dynamic output '
                f'"{name}": return a list, of DynamicOutput(value, mapping_key) or of values, or '
                f"yield each."
            )
        for position, item in enumerate(values):
            if not isinstance(item, DynamicOutput):
                if isinstance(item, Output):
                    raise OutputError(self._not_dynamic(name))
                self._emit(name, item, None, str(position))
            elif item.output_name not in ("result", name):
                raise OutputError(
                    f'op "{self._op.name}" returned a value of output "{item.output_name}" among '
                    f'those of "{name}".'
                )
            else:
                self._emit(name, item.value, item.metadata, item.mapping_key)

    def _not_dynamic(self, name: str) -> str:
        return (
            f'op "{self._op.name}" yielded an Output for "{name}", which is dynamic: yield '
            f"DynamicOutput(value, mapping_key{'' if name == 'result' else f', {name!r}'}) instead."
        )

    def _add_returned(self, result: Any) -> None:
        op, names = self._op, list(self._op.outs)
        if not names:
            if result is not None:
                raise OutputError(
                    f'op "{op.name}" declares no outputs, but returned a {type(result).__name__}.'
                )
        elif len(names) == 1:
            if op.is_dynamic and isinstance(result, DynamicOutput):
                self._add_values(names[0], result)  # raises, for it is no list
            if op.is_dynamic or isinstance(result, DynamicOutput):
                self.add_item(result)
            else:
                self._add_value(names[0], result)
        elif isinstance(result, tuple) and len(result) == len(names):
            for name, item in zip(names, result, strict=True):
                if op.outs[name].is_dynamic:
                    self._add_values(name, item)
                else:
                    self._add_value(name, item)
        elif result is not None or not all(
            out.type.is_nothing and out.is_required for out in op.outs.values()
        ):  # ``check`` adds required outputs of type Nothing
            got = (
                f"a tuple of {len(result)}"
                if isinstance(result, tuple)
                else f"a {type(result).__name__}"
            )
            raise OutputError(
                f'op "{op.name}" has {len(names)} outputs ({", ".join(names)}): return a tuple of '
                f"as many, or yield "
                f"each as Output(value, name); it returned {got}."
            )

    def _add_value(self, name: str, item: Any) -> None:
        """Add a returned value, or Output, of an output that is not dynamic."""
        op = self._op
        if isinstance(item, Output):
            if item.output_name not in ("result", name):
                raise OutputError(
                    f'op "{op.name}" returned output "{item.output_name}" in the place of '
                    f'"{name}"; return them in the order {", ".join(op.outs)}.'
                )
            if op.as_output and op.as_output.get(name) is False:
                raise OutputError(
                    f'op "{op.name}" returned an Output for "{name}", whose annotation is another: '
                    f"annotate it with Output[…], or return the value itself."
                )
            self._emit(name, item.value, item.metadata)
        elif op.as_output and op.as_output.get(name):
            raise OutputError(
                f'op "{op.name}" returned {_an_item(item)} for "{name}", which is annotated as '
                f"Output: return Output(value), or annotate the value's own type."
            )
        else:
            if item is None and not op.outs[name].is_required:
                self._log.warning(
                    f'op "{op.name}" returned None for its optional output "{name}", so None goes '
                    f"to the steps behind it; yield an Output, or nothing for no output."
                )
            self._emit(name, item, None)

    def _emit(
        self, name: str, value: Any, metadata: Mapping[str, Any] | None, key: str | None = None
    ) -> None:
        op = self._op
        out = op.outs.get(name)
        if out is None:
            raise OutputError(
                f'op "{op.name}" has no output "{name}"; it has '
                f"{', '.join(op.outs) or 'none'}.{nearest(name, op.outs)}"
            )
        stored_as = name
        if key is None:
            if out.is_dynamic:
                raise OutputError(self._not_dynamic(name))
        elif not out.is_dynamic:
            raise OutputError(
                f'op "{op.name}" yielded a DynamicOutput for "{name}", which is not dynamic: '
                f"declare it DynamicOut(), "
                "or yield Output(value)."
            )
        else:
            stored_as = f"{name}[{key}]"
        if stored_as in self._names:
            twice = (
                f'output "{name}"' if key is None else f'a DynamicOutput with mapping key "{key}"'
            )
            raise OutputError(f'op "{op.name}" yielded {twice} twice.')
        self._emit_value(name, stored_as, value, metadata, key)
        self._count += 1
        self._names.add(stored_as)
        if key is not None:
            self._names.add(name)


def _an_item(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _run_async(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end."""
    # A notebook already runs an event loop in this thread, so the coroutine needs another thread.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
