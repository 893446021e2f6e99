"""Request of a batch: the header of its run, and its calls."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from rayexec.config.file_owners import Owners
from rayexec.config.port_config import PortConfig
from rayexec.definitions.surroundings import RunInfo
from rayexec.engine.ray.protocol.framing import Address
from rayexec.plan.model import FromStep
from rayexec.run.cached_outputs import RunCache
from rayexec.run.previous_run import ValueStorage
from rayexec.steps.managed_ports import ManagedPorts

__all__ = [
    "GONE",
    "BatchRequest",
    "CallExtras",
    "Follows",
    "Header",
    "RemoteCall",
    "WireCall",
    "pack_request",
    "unpack_request",
]


@dataclass(frozen=True, slots=True)
class Header:
    """Everything that the batches of one run share."""

    run: RunInfo
    #: Config of each resource, by key.
    resource_config: Mapping[str, Any]
    #: Modules to import before the first step.
    preload_modules: tuple[str, ...]
    #: Working directory of the driver.
    directory: str
    #: Channel for reports of a running batch; None for none.
    report_address: Address | None
    #: Indices of templates with dynamic outputs that travel before their op is over.
    streams: frozenset[int]
    #: Socket for workers that keep resources open; None where each batch closes its own.
    resource_address: Address | None
    #: Inputs and outputs of IO managers; None for none.
    managed: ManagedPorts | None = None
    #: Store of durable outputs.
    value_storage: ValueStorage | None = None
    #: Indices of templates with durable outputs.
    durable: frozenset[int] = frozenset()
    #: Cached outputs of earlier runs; None where no op of the run is cached.
    run_cache: RunCache | None = None
    #: Users whose files the driver trusts; None for a run without IO managers.
    trusted_owners: Owners | None = None
    #: Config of single outputs and inputs, for their IO managers.
    port_config: PortConfig = field(default_factory=PortConfig)


class CallExtras(NamedTuple):
    """Rare parts of a call: a later attempt's number, pickled config, tags beyond the op's."""

    attempt_number: int
    config: bytes | None
    tags: Mapping[str, str] | None


# Outputs that earlier calls of the batch must have yielded for a call to run. None for no such
# output. A tuple of output names chains the call to the one before, which hands ints,
# booleans and None over as they are. A list has (step, output) of any earlier calls.
Follows: TypeAlias = tuple[str, ...] | list[FromStep] | None

# Wire of a value that should be there and is not.
GONE = "gone"


class RemoteCall(NamedTuple):
    """A call as a worker makes it.

    Each wire stands for the value of an input, in the op's order: bytes; the index of a large value
    among the task's arguments; (output,) of the call before; a FromStep of an earlier call; a list
    of wires; GONE; or None for the input's default.
    """

    step: int
    key: str
    template: int
    follows: Follows
    wires: Sequence[Any]
    extras: CallExtras | None


# A call as it travels, with the fields of RemoteCall: pickle is slow with classes, and a batch has
# hundreds of calls.
WireCall: TypeAlias = tuple[int, str, int, Follows, Sequence[Any], CallExtras | None]

_remote_call = partial(tuple.__new__, RemoteCall)


class BatchRequest(NamedTuple):
    """A batch as a worker runs it."""

    batch_id: int
    #: Name of the journal; each node has its own directory for it.
    journal: str
    #: Seconds until the batch ends, and calls without a start come back.
    budget: float
    #: True where the worker reports the start, since other runs may hold the batch up.
    announces: bool
    calls: list[RemoteCall]


def pack_request(
    batch_id: int, journal: str, budget: float, announces: bool, calls: Sequence[WireCall]
) -> bytes:
    """Return a batch as the bytes of a task's argument."""
    return pickle.dumps((batch_id, journal, budget, announces, calls), protocol=5)


def unpack_request(request: bytes) -> BatchRequest:
    """Return the batch in a task's argument."""
    batch_id, journal, budget, announces, calls = pickle.loads(request)
    return BatchRequest(batch_id, journal, budget, announces, list(map(_remote_call, calls)))
