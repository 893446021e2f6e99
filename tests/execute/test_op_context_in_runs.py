"""Context of an op in a run: node, tags, config as data, metadata and the running step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rayexec import (
    Config,
    DynamicOut,
    DynamicOutput,
    In,
    InvariantError,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    UnsupportedError,
    graph,
    job,
    op,
    success_hook,
)


class Inner(Config):
    z: int = 4


class Settings(Config):
    n: int = 1
    inner: Inner = Inner()


def running_step() -> str:
    return str(OpExecutionContext.get().op_handle)


@op(tags={"of": "op"})
def looks(context: OpExecutionContext, config: Settings) -> dict[str, Any]:
    handle = context.op_handle
    return {
        "op": (context.op.name, dict(context.op.tags), context.op.definition.name),
        "op_def": (context.op_def.name, dict(context.op_def.tags)),
        "handle": (str(handle), handle.name, handle.path, str(handle.parent), repr(handle.root)),
        "node_handle": context.node_handle == handle,
        "config": context.op_config,
        "outputs": sorted(context.selected_output_names),
        "words": context.describe_op(),
        "running": running_step(),
        "same": OpExecutionContext.get() is context,
        "run": (
            context.dagster_run.run_id == context.run_id,
            context.op_execution_context.job_name,
        ),
    }


@op(ins={"start": In(Nothing)})
def looks_without_parameter() -> str:
    return OpExecutionContext.get().op.name


@graph
def inner_graph() -> None:
    looks_without_parameter.alias("second")(start=looks.alias("first").tag({"of": "call"})())


@job
def looking() -> None:
    inner_graph.alias("around")()


def test_the_context_has_the_node_and_the_config_as_data(execute: Any) -> None:
    result = execute(looking)
    assert result.output_for_node("around.first") == {
        "op": ("first", {"of": "call"}, "looks"),
        "op_def": ("looks", {"of": "op"}),
        "handle": (
            "around.first",
            "first",
            ["around", "first"],
            "around",
            "NodeHandle(name='around', parent=None)",
        ),
        "node_handle": True,
        "config": {"n": 1, "inner": {"z": 4}},
        "outputs": ["result"],
        "words": 'op "around.first"',
        "running": "around.first",
        "same": True,
        "run": (True, "looking"),
    }
    assert result.output_for_node("around.second") == "second"


def test_no_step_runs_outside_of_steps() -> None:
    with pytest.raises(InvariantError, match="no step with a context runs here"):
        OpExecutionContext.get()


def test_a_step_that_runs_a_job_is_the_running_one_again() -> None:
    @op
    def outer(context: OpExecutionContext) -> list[str]:
        before = running_step()
        looking.execute_in_process()
        return [before, running_step()]

    @job
    def nested() -> None:
        outer()

    assert nested.execute_in_process().output_for_node("outer") == ["outer", "outer"]


def test_hooks_have_the_node_of_the_step() -> None:
    seen: list[Any] = []

    @success_hook
    def sees(context: Any) -> None:
        seen.append((context.op.name, dict(context.op.tags), context.op_config, context.step_key))

    @job(hooks={sees})
    def hooked() -> None:
        looks.alias("first").tag({"more": "1"})()

    assert hooked.execute_in_process().success
    config = {"n": 1, "inner": {"z": 4}}
    assert seen == [("first", {"of": "op", "more": "1"}, config, "first")]


def _added(*calls: dict[str, Any], after: bool = False, out: Any = None) -> Any:
    """Run an op that adds metadata by these calls, and return the metadata of its output."""

    @op(out=out or Out())
    def adds(context: OpExecutionContext) -> Any:
        if not after:
            for call in calls:
                context.add_output_metadata(**call)
        yield Output(1) if out is None else DynamicOutput(1, "k")
        if after:
            context.add_output_metadata(**calls[0])

    @job
    def adding() -> None:
        adds()

    result = adding.execute_in_process()
    [event] = [each for each in result.all_events if each.is_successful_output]
    return {key: each.value for key, each in event.step_output_data.metadata.items()}


DYNAMIC = DynamicOut()


def test_metadata_is_added_to_an_output_to_come() -> None:
    calls = [{"metadata": {"a": 1, "b": 1}}, {"metadata": {"b": 2, "c": 3}}]
    assert _added(*calls) == {"a": 1, "b": 2, "c": 3}
    assert _added({"metadata": {"a": 1}}) == {"a": 1}
    assert _added({"metadata": {"a": 1}, "output_name": "result"}) == {"a": 1}
    assert _added({"metadata": {"a": 1}, "mapping_key": "k"}, out=DYNAMIC) == {"a": 1}


@pytest.mark.parametrize(
    ("calls", "options", "message"),
    [
        ([{"metadata": {"a": 1}}], {"after": True}, "has already been yielded"),
        ([{"metadata": {}, "output_name": "resul"}], {}, "no output 'resul'.*mean 'result'"),
        ([{"metadata": {"a": 1}}], {"out": DYNAMIC}, "is dynamic: give .* the mapping_key"),
        (
            [{"metadata": {}}],
            {"out": {"a": Out(), "b": Out()}},
            "2 outputs: give .*output_name",
        ),
    ],
)
def test_metadata_that_belongs_to_no_output_is_refused(
    calls: Any, options: Any, message: str
) -> None:
    with pytest.raises(InvariantError, match=message):
        _added(*calls, **options)


def test_what_a_context_lacks_says_so() -> None:
    @op
    def asks(context: OpExecutionContext) -> Iterator[Any]:
        assert context.job_def.name == "asking"
        yield Output(context.job_def.graph)

    @job
    def asking() -> None:
        asks()

    with pytest.raises(UnsupportedError, match=r"no definition of its job, and so no .graph."):
        asking.execute_in_process()
