"""Contexts for functions of users: the run, resources, config and log around them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NoReturn

from typing_extensions import Self

from rayexec.definitions.called_op import CalledOp
from rayexec.definitions.config_models import FieldValues, as_data
from rayexec.definitions.fresh_data import fresh
from rayexec.definitions.loggers.python_logger import RUNNING
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.surroundings import (
    NO_RESOURCES,
    OwnRunInfo,
    Resources,
    RunInfo,
    StepLog,
    ephemeral_run,
    no_instance,
)
from rayexec.definitions.user_events import USER_EVENTS, UserEvent
from rayexec.errors import InvariantError, UnsupportedError
from rayexec.events import NodeHandle
from rayexec.names import mapping_keys, nearest, node_path

__all__ = [
    "InitResourceContext",
    "OpExecutionContext",
]


class OpExecutionContext:
    """Context of an op: config, log, resources and the run around the step."""

    is_op_context = True

    __slots__ = (
        "_events",
        "_given_config",
        "_given_run",
        "_metadata",
        "_op_def",
        "_own_config",
        "_own_tags",
        "_report",
        "_resources",
        "_run",
        "_seen_outputs",
        "_tags",
        "log",
        "retry_number",
        "step_key",
    )

    def __init__(
        self,
        *,
        run: RunInfo,
        step_key: str,
        op_def: OpDefinition,
        op_config: Any,
        resources: Resources,
        retry_number: int = 0,
        tags: Mapping[str, str] | None = None,
        log: StepLog | None = None,
        report: Callable[[UserEvent], None] | None = None,
    ) -> None:
        self._given_run = run
        self._run: RunInfo | None = None
        self.step_key = step_key
        self._op_def = op_def
        self._given_config = op_config
        self._own_config: Any = NO_DEFAULT
        self._resources = resources
        self.retry_number = retry_number
        self.log = log or StepLog()
        self._tags = tags or {}
        self._own_tags: dict[str, str] | None = None
        # Metadata of future outputs, by the name that they are stored as.
        self._metadata: dict[str, Mapping[str, Any]] = {}
        self._seen_outputs: set[str] = set()
        self._events: list[UserEvent] = []
        self._report = report

    @staticmethod
    def get() -> OpExecutionContext:
        """Return the context of the running step; raises InvariantError outside of steps.

        A helper function of an op calls it. The op takes a context, or names this class itself.
        """
        context = RUNNING.context
        if context is None:
            raise InvariantError(
                "no step with a context runs here. OpExecutionContext.get() is for functions that "
                "an op calls; give the op a parameter `context`."
            )
        made: OpExecutionContext = context()
        return made

    @classmethod
    def of_no_step(cls) -> OpExecutionContext:
        """Return a context for functions of users that no step calls, such as type checks."""
        no_op: Any = None
        return OpExecutionContext(
            run=ephemeral_run(),
            step_key="ephemeral",
            op_def=no_op,
            op_config=None,
            resources=NO_RESOURCES,
        )

    @property
    def op_def(self) -> OpDefinition:
        """The definition of the op."""
        return self._op_def

    @property
    def op(self) -> CalledOp:
        """The op under its name and tags in the graph; ``definition`` is ``op_def``."""
        return CalledOp.of_step(self.step_key, self.op_def, self.op_tags)

    @property
    def op_config(self) -> Any:
        """The config of the op as data: of a Config class, a dict of its fields."""
        if self._own_config is NO_DEFAULT:
            self._own_config = as_data(self._given_config)
        return self._own_config

    @property
    def resources(self) -> Any:
        """The open resources that the op requires, as attributes by key."""
        return self._resources

    @property
    def run(self) -> RunInfo:
        """The facts of the run."""
        if self._run is None:
            self._run = OwnRunInfo(self._given_run)
        return self._run

    dagster_run = property(lambda self: self.run, doc="Dagster's older name of ``run``.")

    @property
    def op_execution_context(self) -> OpExecutionContext:
        """The context itself, for functions that take contexts of several kinds."""
        return self

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._given_run.run_id

    @property
    def job_name(self) -> str:
        """The name of the job."""
        return self._given_run.job_name

    @property
    def job_def(self) -> RunningJob:
        """The job: its name alone, since a step has its own op and not the job around it."""
        return RunningJob(self.job_name)

    @property
    def instance(self) -> Any:
        """Raises UnsupportedError in a run: a step has no access to the store of its run."""
        raise no_instance()

    @property
    def pdb(self) -> Any:
        """A debugger for ``context.pdb.set_trace()``, in a process that has a terminal."""
        from pdb import Pdb  # slow to import, and seldom of use

        return Pdb()

    @property
    def run_config(self) -> Mapping[str, Any]:
        """The run config, with defaults of the job."""
        return self.run.run_config

    @property
    def run_tags(self) -> Mapping[str, str]:
        """The tags of the run."""
        return self.run.tags

    @property
    def op_tags(self) -> Mapping[str, str]:
        """The tags of the step."""
        if self._own_tags is None:
            self._own_tags = dict(self._tags)
        return self._own_tags

    @property
    def op_handle(self) -> NodeHandle:
        """The path of the step's node in the job."""
        return NodeHandle.from_string(node_path(self.step_key))

    @property
    def node_handle(self) -> NodeHandle:
        """The path of the step's node: Dagster's other name of ``op_handle``."""
        return self.op_handle

    @property
    def selected_output_names(self) -> AbstractSet[str]:
        """The names of the op's outputs."""
        return self.op_def.outs.keys()

    def describe_op(self) -> str:
        """Return the step in words: ``op "name"``."""
        return f'op "{node_path(self.step_key)}"'

    def has_tag(self, key: str) -> bool:
        """Whether the run has a tag of that name."""
        return self.run.has_tag(key)

    def get_tag(self, key: str) -> str | None:
        """Return the run's tag of that name, or None."""
        return self.run.get_tag(key)

    def get_mapping_key(self) -> str | None:
        """Return the innermost mapping key of a mapped step; None for any other step."""
        keys = self.mapping_keys
        return keys[-1] if keys else None

    @property
    def mapping_keys(self) -> tuple[str, ...]:
        """The mapping keys of a mapped step, outermost first; empty for any other."""
        return mapping_keys(self.step_key)

    @property
    def has_partition_key(self) -> bool:
        """Whether the run is for a partition."""
        return self.run.has_tag("dagster/partition")

    @property
    def partition_key(self) -> str:
        """The partition of the run; raises InvariantError without one."""
        key = self.run.get_tag("dagster/partition")
        if key is None:
            raise InvariantError("this run is for no partition")
        return key

    def log_event(self, event: UserEvent) -> None:
        """Record an AssetMaterialization, AssetObservation or ExpectationResult now.

        Raises InvariantError for any other object.
        """
        if not isinstance(event, USER_EVENTS):
            raise InvariantError(
                f"context.log_event takes an AssetMaterialization, an AssetObservation or an "
                f"ExpectationResult, got {type(event).__name__}."
            )
        (self._report or self._events.append)(event)

    def add_output_metadata(
        self,
        metadata: Mapping[str, Any],
        output_name: str | None = None,
        mapping_key: str | None = None,
    ) -> None:
        """Attach metadata to a future output, or to one value of a dynamic output.

        A later call adds to an earlier one. Raises InvariantError for an output that the op has
        already yielded, and where several outputs leave open which is meant.
        """
        stored_as = self._name_of_future(output_name, mapping_key)
        normalize_metadata(metadata)  # a wrong value is a mistake in this line
        self._metadata[stored_as] = {**self._metadata.get(stored_as, {}), **metadata}

    def _name_of_future(self, output_name: str | None, mapping_key: str | None) -> str:
        """Return the name that an output to come is stored as."""
        op = self.op_def
        if output_name is None:
            if len(op.outs) != 1:
                raise InvariantError(
                    f"op {op.name!r} has {len(op.outs)} outputs: give add_output_metadata the "
                    f"output_name of one of them ({', '.join(op.outs)})."
                )
            output_name = next(iter(op.outs))
        elif output_name not in op.outs:
            raise InvariantError(
                f"op {op.name!r} has no output {output_name!r}.{nearest(output_name, op.outs)}"
            )
        if op.outs[output_name].is_dynamic and mapping_key is None:
            raise InvariantError(
                f"output {output_name!r} of op {op.name!r} is dynamic: give add_output_metadata "
                f"the mapping_key of the value too."
            )
        stored_as = output_name if mapping_key is None else f"{output_name}[{mapping_key}]"
        if stored_as in self._seen_outputs:
            raise InvariantError(
                f"output {stored_as!r} of op {op.name!r} has already been yielded: add its "
                f"metadata before."
            )
        return stored_as

    @property
    def outputs_so_far(self) -> AbstractSet[str]:
        """The outputs that the op has yielded; values of dynamic ones as ``name[key]``."""
        return self._seen_outputs

    def get_output_metadata(
        self, output_name: str, mapping_key: str | None = None
    ) -> Mapping[str, Any] | None:
        """Return the metadata of ``add_output_metadata`` for an output, None without any."""
        stored_as = output_name if mapping_key is None else f"{output_name}[{mapping_key}]"
        return self._metadata.get(stored_as)

    def observe_output(self, stored_as: str) -> Mapping[str, MetadataValue] | None:
        """Note that the op has yielded an output, and return the metadata added to it before."""
        self._seen_outputs.add(stored_as)
        added = self._metadata.get(stored_as)
        return None if added is None else normalize_metadata(added)


class RunningJob:
    """The job of a running step; any other attribute than ``name`` raises UnsupportedError."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__"):  # copies and pickles look for special methods
            raise AttributeError(attribute)
        raise UnsupportedError(
            f"a step gets no definition of its job, and so no {attribute!r} of it: workers have "
            f"the job's ops alone. context.job_def.name and context.run have the facts of the run.",
            feature=f"context.job_def.{attribute}",
        )


class InitResourceContext:
    """Context of a resource's function: its config, and the resources that it requires."""

    def __init__(
        self,
        *,
        resource_config: Any = None,
        resources: Resources | None = None,
        run: RunInfo | None = None,
        resource_def: Any = None,
        instance: Any = None,
        log: StepLog | None = None,
    ) -> None:
        #: The config as the run has it, for the definition of the resource.
        self.given_config = resource_config
        self.resource_config = _shown_config(resource_config)
        self.resources = resources or NO_RESOURCES
        self.run: RunInfo | None = None if run is None else OwnRunInfo(run)
        self.run_id = run.run_id if run is not None else None
        self.log = StepLog() if log is None else log
        self._resource_def = resource_def
        self._instance = instance

    @property
    def resource_def(self) -> Any:
        """The definition of the resource."""
        return self._resource_def

    @property
    def instance(self) -> Any:
        """The instance given to a context for tests; None in a run."""
        return self._instance

    @property
    def dagster_run(self) -> RunInfo | None:
        """The facts of the run; None outside of one."""
        return self.run

    @property
    def log_manager(self) -> StepLog:
        """The log of the opening."""
        return self.log

    def replace_config(self, config: Any) -> Self:
        """Return a copy with other config."""
        changed = copy.copy(self)
        changed.given_config = config
        changed.resource_config = _shown_config(config)
        return changed


def _shown_config(given: Any) -> Any:
    return given.as_config() if isinstance(given, FieldValues) else fresh(given)
