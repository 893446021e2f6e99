"""Runs of the hooks of one attempt, after its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.definitions.called_op import CalledOp
from rayexec.definitions.hook_context import HookContext
from rayexec.definitions.hooks import HookDefinition, HookExecutionResult, HookTrigger
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.surroundings import RunInfo, StepLog
from rayexec.errors import InvariantError
from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    Event,
    HookOutcome,
    OutputRecord,
    describe_error,
    expand_attempt,
)
from rayexec.names import mapping_keys, output_name
from rayexec.steps.resources import OpenResources

__all__ = ["EndedAttempt"]

_OUTCOME_OF = {HookTrigger.SUCCESS: SUCCESS, HookTrigger.FAILURE: FAILURE}


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt that has ended, and everything that its hooks may look at."""

    run: RunInfo
    step_key: str
    op: OpDefinition
    op_config: Any
    tags: Mapping[str, str]
    #: The row of the attempt, without logs, hooks and resources.
    row: Attempt
    #: Names of the inputs that have a value.
    inputs: tuple[str, ...]
    error: BaseException | None
    output_values: Mapping[str, Any]
    resources: OpenResources
    log: StepLog

    def run_hooks(self, hooks: Sequence[HookDefinition]) -> tuple[HookOutcome, ...]:
        """Run the hooks and return an outcome for each; none of their errors leaves this."""
        return tuple([self._run_hook(hook) for hook in hooks])

    def _run_hook(self, hook: HookDefinition) -> HookOutcome:
        wanted = _OUTCOME_OF.get(hook.trigger)
        if wanted is not None and wanted != self.row.outcome:
            return HookOutcome(hook.name, "skipped")
        try:
            context = self._context_of(hook)
            if wanted is not None:
                hook.fn(context)
                return HookOutcome(hook.name, "completed")
            result = hook.fn(context, self._events())
            if not isinstance(result, HookExecutionResult):
                raise InvariantError(
                    f"hook {hook.name!r} returned a {type(result).__name__}; a hook for events "
                    f"returns HookExecutionResult({hook.name!r}), with is_skipped=True if it did "
                    f"nothing."
                )
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # a hook that exits ends itself, not the step
            return HookOutcome(hook.name, "errored", describe_error(raised))
        return HookOutcome(hook.name, "skipped" if result.is_skipped else "completed")

    def _context_of(self, hook: HookDefinition) -> HookContext:
        return HookContext(
            run=self.run,
            step_key=self.step_key,
            op=CalledOp.of_step(self.step_key, self.op, self.tags),
            hook_def=hook,
            op_config=self.op_config,
            op_exception=self.error,
            op_output_values=self.output_values,
            op_output_metadata=_metadata_by_output(self.row.outputs),
            resources=self.resources.get(hook.required_resource_keys),
            log=self.log,
        )

    def _events(self) -> list[Event]:
        return list(expand_attempt(self.row, self.step_key, self.inputs))


def _metadata_by_output(outputs: Sequence[OutputRecord]) -> dict[str, Any]:
    """Return the metadata of outputs by name; of a dynamic one, by mapping key below it."""
    metadata: dict[str, Any] = {}
    for output in outputs:
        name, keys = output_name(output.name), mapping_keys(output.name)
        if keys:
            metadata.setdefault(name, {})[keys[0]] = output.metadata or {}
        else:
            metadata[name] = output.metadata or {}
    return metadata
