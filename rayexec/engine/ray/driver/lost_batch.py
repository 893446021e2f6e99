"""Loss of a batch: the search for its remains, its error, and the end of its workers by force."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rayexec.cluster import head_answers
from rayexec.engine.ray.driver.environments import environment_owner
from rayexec.engine.ray.driver.stack_dumps import crashed_step, hung_step
from rayexec.engine.ray.driver.task_errors import LossReason
from rayexec.engine.ray.protocol.journal_format import printed_in
from rayexec.engine.ray.protocol.remains import (
    BatchRemnants,
    Remains,
    collect_prints,
    collect_remnants,
    kill_holders,
    read_remains,
)
from rayexec.errors import StepError, WorkerCrashedError
from rayexec.events import ErrorInfo, describe_error
from rayexec.plan.base import Plan

__all__ = ["LossError", "find_remains", "kill_workers", "loss_error"]

_ANSWER_TIMEOUT_S = 10.0  # of nodes


class LossError(NamedTuple):
    """Error of the step that a lost batch died in, as an exception and as recorded."""

    exception: StepError
    info: ErrorInfo


def loss_error(plan: Plan, step: int, reason: LossReason, remains: Remains | None) -> LossError:
    """Return the error of a lost batch that died in ``step``, or in the name of it.

    Stacks in the remains say more than Ray does.
    """
    key, timeout = plan.steps[step].key, plan.op_of(step).timeout
    if remains is not None and remains.hung and timeout is not None:
        return LossError(*hung_step(key, timeout, remains.hung))
    if remains is not None and reason.has_died and reason.memory is None:
        crash = crashed_step(key, exited=remains.exited, stderr=remains.stderr)
        if crash is not None:
            return LossError(*crash)
    text = reason.text
    if reason.is_environment:
        owner = environment_owner(plan.templates[plan.template_of[step]])
        text = f"the runtime_env of {owner} {text}"
    error = WorkerCrashedError(f"step {key!r}: {text}")
    return LossError(error, replace(describe_error(error), stack=""))


def find_remains(journal: str, key: bytes, call_count: int, *, is_here: bool) -> Remains | None:
    """Return what a dead worker left of a batch, from whichever node has the journal.

    ``key`` is that of the run. ``call_count`` is the batch's. ``is_here`` says that only this
    user on this machine can have it.
    """
    remnants = collect_remnants(journal)
    if remnants is None and not is_here:
        answers = _on_each_node(collect_remnants, journal)
        remnants = next((answer for answer in answers if isinstance(answer, BatchRemnants)), None)
    if remnants is None:
        return None
    if not is_here and remnants.stdout is None and remnants.stderr is None:
        # A driver in a container may share the node's memory and not its disk.
        prints = functools.partial(collect_prints, starts=printed_in(remnants.journal))
        for stdout, stderr in _on_each_node(prints, journal):
            if stdout is not None or stderr is not None:
                remnants = remnants._replace(stdout=stdout, stderr=stderr)
    return read_remains(journal, remnants, key, call_count)


def kill_workers(journals: Sequence[str], *, is_one_node: bool) -> None:
    """Kill the processes that run the batches with these names of journals, on whichever node.

    Ray asks a worker to kill itself, and one that holds the interpreter's lock in C code ignores
    it.
    """
    kill_holders(journals)
    if not is_one_node:
        for _ in _on_each_node(kill_holders, journals):
            pass


def _on_each_node(function: Callable[..., Any], argument: Any) -> Iterator[Any]:
    """Yield the result of a function on each node that answers soon; none with a dead head."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    if not head_answers():
        return

    @ray.remote(num_cpus=0, max_retries=0)
    def on_node(argument: Any) -> Any:
        return function(argument)

    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    asked = [
        on_node.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(argument)
        for node in alive
    ]
    done, _ = ray.wait(asked, num_returns=len(asked), timeout=_ANSWER_TIMEOUT_S)
    for ref in done:
        try:
            answer = ray.get(ref)
        except Exception:  # that node died too
            continue
        yield answer
