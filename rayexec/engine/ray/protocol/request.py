"""What travels to a worker: the header of a run, and the calls of a batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from rayexec.definitions.contexts import RunInfo
from rayexec.engine.ray.protocol.overrun import Address
from rayexec.engine.ray.protocol.worker_resources import KeptAddress
from rayexec.names import node_path
from rayexec.plan.base import Plan
from rayexec.plan.model import Call, FromConfig, FromStep
from rayexec.run.cached_outputs import RunCache
from rayexec.run.previous_run import ValueStorage
from rayexec.run.spec import regroup
from rayexec.steps.managed_ports import ManagedPorts

__all__ = ["GONE", "CallWriter", "Follows", "Header", "More", "RemoteCall"]


@dataclass(frozen=True, slots=True)
class Header:
    """What the batches of one run share.

    ``mailbox`` is where a worker reports, None where it does not; ``streams`` are the places of
    templates whose values are told there while their ops are yielding; ``keepers`` where it says
    that it keeps resources open, None where each batch closes all that it opened; ``managed`` is
    what goes through IO managers, None where nothing does; ``value_storage`` is where steps of the
    templates at places ``durable`` store what they yield; ``run_cache`` has what cached ops yielded,
    None where no op of the run is cached.
    """

    run: RunInfo
    resource_config: Mapping[str, Any]
    preload_modules: tuple[str, ...]
    directory: str
    mailbox: Address | None
    streams: frozenset[int]
    keepers: KeptAddress | None
    managed: ManagedPorts | None = None
    value_storage: ValueStorage | None = None
    durable: frozenset[int] = frozenset()
    run_cache: RunCache | None = None


class More(NamedTuple):
    """What few calls need: the number of an attempt that is not the first, pickled config, tags not
    of the op.
    """

    number: int
    config: bytes | None
    tags: Mapping[str, str] | None


# What calls of its batch must have yielded for a call to run: None where it needs none of them;
# outputs by name, where it is chained to the call before, of which it gets the very values; else
# (step, output) of any calls before.
Follows: TypeAlias = tuple[str, ...] | list[FromStep] | None

# Stands for a value that should be there and is not.
GONE = "gone"

# A call as it travels: the step's index and key, its template, what it follows, the values of the
# op's inputs in their order, and what few calls need. A value is bytes, the place of a large one
# among the task's arguments, (output,) of the call before, a FromStep of one further before, a list
# of such or of lists, GONE, or None where the input is left to its default. A plain tuple, since
# batches are made of hundreds of them and classes are slow to unpickle.
RemoteCall: TypeAlias = tuple[int, str, int, Follows, Sequence[Any], More | None]


class CallWriter:
    """Writes the calls of one run as they travel.

    ``values`` are, by step, the one output of a plain success, else outputs by name; bytes, or
    references of large ones; they are read, and voided for steps that run again, except of
    templates that ``streams`` has. ``config`` is pickled config by step key, ``given`` what run
    config gave for inputs, as bytes or references.
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
        self._places = [
            len(template.op.outs) + template.op.is_dynamic for template in plan.templates
        ]
        self._chained = plan.chain_inputs
        # The steps behind the references of the batch that was written last, until they are taken.
        self._origins: dict[Any, int] = {}
        # By the outputs that a chained call takes: the call's inputs.
        self._wires: dict[tuple[str, ...], list[Any]] = {}

    def write(self, calls: Sequence[Call]) -> tuple[list[RemoteCall], int, list[Any]]:
        """Return a batch's calls, how many places its answer needs beside the envelope, and
        references of large inputs.

        That is one for each output of an op, and one more for the references of large values of
        dynamic ones.
        """
        plan = self._plan
        large: dict[Any, int] = {}
        written: list[RemoteCall] = []
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
            index, number = call
            step, sources = steps[index], feeds[index]
            _, key, template, _, tags, _ = step
            templates.add(template)
            if template not in streams:  # else others may have it already
                values[index] = None  # what an attempt before this one yielded is void
            if (
                number
                or sources is None
                or tags is not self._tags[template]
                or (config and node_path(key) in config)
            ):
                written.append(self._remote_call(call, before, inside, large))
            elif before >= 0 and links[before] == index and (outputs := chained[index]) is not None:
                # What is chained takes from the call before alone; steps alike share what says so,
                # to be sent once.
                wires = self._wires.get(outputs)
                if wires is None:
                    wires = self._wires[outputs] = [(each,) for each in outputs]
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
        places = max([self._places[each] for each in templates])
        return written, places, list(large)

    def take_origins(self) -> dict[Any, int]:
        """Return the steps behind the references of large inputs that were written since the last
        call.
        """
        taken, self._origins = self._origins, {}  # kept here, they would keep the objects
        return taken

    def _remote_call(
        self, call: Call, before: int, inside: set[int], large: dict[Any, int]
    ) -> RemoteCall:
        index, number = call
        step = self._plan.steps[index]
        taken = [source for each in step.inputs for source in each.sources]
        if before < 0 or self._plan.chain_next[before] != index or len({*taken}) < len(taken):
            before = -1  # who takes an output twice gets two copies
        wires: list[Any] = []
        needed: list[FromStep] = []
        for each in step.inputs:
            needed += [
                source
                for source in each.sources
                if type(source) is FromStep and source.step in inside
            ]
            if each.is_nothing:
                continue
            if each.is_fan_in:
                found = [self._wire(source, before, inside, large) for source in each.sources]
                if each.shape is not None:
                    wires.append(regroup(iter(found), each.shape, GONE))
                else:
                    wires.append([wire for wire in found if wire is not GONE and wire is not None])
            else:
                wires.append(self._wire(each.sources[0], before, inside, large))
        follows: Follows = (
            tuple([source.output for source in needed]) if before >= 0 else needed or None
        )
        own_tags = step.tags is not self._tags[step.template]
        config = self._config.get(node_path(step.key)) if self._config else None
        more = (
            More(number, config, dict(step.tags) if own_tags else None)
            if number or config or own_tags
            else None
        )
        return index, step.key, step.template, follows, wires, more

    def _wire(
        self, source: FromStep | FromConfig, chained: int, inside: set[int], large: dict[Any, int]
    ) -> Any:
        """Return what stands for a value in a call (see ``RemoteCall``), None where there is none.

        ``inside`` are the steps before in the batch; ``chained`` is that which the call is chained
        to, -1 for none.
        """
        if type(source) is FromStep:
            producer, output = source
            if producer in inside:
                return (output,) if producer == chained else source
            handle: Any = self._values[producer]
            if type(handle) is dict:
                handle = handle.get(output)
        else:
            handle = self._given.get(source)  # type: ignore[arg-type]  # FromConfig: mypy does not narrow by type()
        if handle is None and type(source) is FromStep:
            return GONE
        if handle is None or type(handle) is bytes:
            return handle
        if type(source) is FromStep:
            self._origins[handle] = source.step
        return large.setdefault(handle, len(large))
