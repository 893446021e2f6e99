"""Writer of calls: turns steps of a plan into the calls that travel to a worker."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rayexec.engine.ray.protocol.batch_request import GONE, CallExtras, Follows, WireCall
from rayexec.names import node_path
from rayexec.plan.base import Plan
from rayexec.plan.model import Call, FromConfig, FromStep
from rayexec.run.spec import regroup

__all__ = ["CallWriter", "WrittenCalls"]


class WrittenCalls(NamedTuple):
    """Calls of a batch as they travel."""

    calls: list[WireCall]
    #: Returns that the task needs beside its envelope: one for each output of an op, and one more
    #: for the references of large values of dynamic outputs.
    return_count: int
    #: References of large inputs.
    large: list[Any]
    #: Steps behind these references.
    origins: dict[Any, int]


class CallWriter:
    """Writes the calls of one run as they travel.

    ``values`` holds, by step, the one output of a plain success, else outputs by name; each is
    bytes, or the reference of a large value. The writer reads them, and voids those of a step that
    runs again, except for the templates in ``streams``. ``config`` is pickled config by step key;
    ``given`` has values of run config for inputs, as bytes or references.
    """

    def __init__(
        self,
        plan: Plan,
        values: list[Any],
        config: Mapping[str, bytes],
        given: Mapping[FromConfig, Any],
        streams: Collection[int] = (),
    ) -> None:
        self._plan = plan
        self._values = values
        self._config = config
        self._given = given
        self._streams = streams
        self._feeds = plan.feeds
        self._tags = [template.op.tags for template in plan.templates]
        self._return_counts = [
            len(template.op.outs) + template.op.is_dynamic for template in plan.templates
        ]
        self._chained = plan.chain_inputs
        # Steps behind references of the batch that is being written.
        self._origins: dict[Any, int] = {}
        # Wires of a chained call, by the outputs that it takes.
        self._wires: dict[tuple[str, ...], list[Any]] = {}

    def write(self, calls: Sequence[Call]) -> WrittenCalls:
        """Return a batch's calls as they travel."""
        plan = self._plan
        large: dict[Any, int] = {}
        written: list[WireCall] = []
        values, steps, feeds, links, config = (
            self._values,
            plan.steps,
            self._feeds,
            plan.chain_next,
            self._config,
        )
        chained, streams = self._chained, self._streams
        before = -1
        templates = set()
        inside: set[int] = set()
        for call in calls:
            index, attempt_number = call
            step, sources = steps[index], feeds[index]
            _, key, template, _, tags, _ = step
            templates.add(template)
            if template not in streams:  # consumers of a stream may have the values already
                values[index] = None  # outputs of an earlier attempt are void
            if (
                attempt_number
                or sources is None
                or tags is not self._tags[template]
                or (config and node_path(key) in config)
            ):
                written.append(self._written_call(call, before, inside, large))
            elif before >= 0 and links[before] == index and (outputs := chained[index]) is not None:
                # A chained call takes from the call before alone. Calls alike share one list of
                # wires, so that pickle sends it once.
                wires = self._wires.get(outputs)
                if wires is None:
                    wires = self._wires[outputs] = [(output,) for output in outputs]
                written.append((index, key, template, outputs, wires, None))
            else:
                wires, needed = [], None
                for source in sources:
                    handle = values[source[0]]
                    if type(handle) is not bytes:
                        handle = self._wire(source, -1, inside, large)
                        if handle is source:
                            needed = [*(needed or ()), source]
                    wires.append(handle)
                written.append((index, key, template, needed, wires, None))
            before = index
            inside.add(index)
        return_count = max([self._return_counts[template] for template in templates])
        origins, self._origins = self._origins, {}  # references here would keep the objects
        return WrittenCalls(written, return_count, list(large), origins)

    def _written_call(
        self, call: Call, before: int, inside: set[int], large: dict[Any, int]
    ) -> WireCall:
        index, attempt_number = call
        step = self._plan.steps[index]
        sources = [source for port in step.inputs for source in port.sources]
        if before < 0 or self._plan.chain_next[before] != index or len({*sources}) < len(sources):
            before = -1  # a call that uses an output twice gets two copies
        wires: list[Any] = []
        for port in step.inputs:
            if port.is_nothing:
                continue
            if port.is_fan_in:
                members = [self._wire(source, before, inside, large) for source in port.sources]
                if port.shape is not None:
                    wires.append(regroup(iter(members), port.shape, GONE))
                else:
                    wires.append(
                        [wire for wire in members if wire is not GONE and wire is not None]
                    )
            else:
                wires.append(self._wire(port.sources[0], before, inside, large))
        needed = [
            source for source in sources if type(source) is FromStep and source.step in inside
        ]
        follows: Follows = (
            tuple([source.output for source in needed]) if before >= 0 else needed or None
        )
        has_own_tags = step.tags is not self._tags[step.template]
        config = self._config.get(node_path(step.key)) if self._config else None
        extras = (
            CallExtras(attempt_number, config, dict(step.tags) if has_own_tags else None)
            if attempt_number or config or has_own_tags
            else None
        )
        return index, step.key, step.template, follows, wires, extras

    def _wire(
        self, source: FromStep | FromConfig, chained: int, inside: set[int], large: dict[Any, int]
    ) -> Any:
        """Return the wire of a value (see ``RemoteCall``), None for a value that never was.

        ``inside`` are earlier steps of the batch; ``chained`` is the one before in a chain, else
        -1.
        """
        if type(source) is FromStep:
            producer, output = source
            if producer in inside:
                return (output,) if producer == chained else source
            handle: Any = self._values[producer]
            if type(handle) is dict:
                handle = handle.get(output)
        else:
            handle = self._given.get(source)  # type: ignore[arg-type]  # a FromConfig
        if handle is None and type(source) is FromStep:
            return GONE
        if handle is None or type(handle) is bytes:
            return handle
        if type(source) is FromStep:
            self._origins[handle] = source.step
        return large.setdefault(handle, len(large))
