"""Hooks as Dagster has them: decorators of jobs and graphs, hooks for events, and contexts.

Expected values are Dagster 1.13's, found by running the same code there.
"""

from collections.abc import Callable
from typing import Any

import pytest

from rayexec import (
    DagsterInvalidDefinitionError,
    DagsterInvalidInvocationError,
    DynamicOut,
    DynamicOutput,
    Failure,
    HookContext,
    HookDefinition,
    HookExecutionResult,
    Out,
    Output,
    RetryPolicy,
    build_hook_context,
    event_list_hook,
    failure_hook,
    graph,
    job,
    op,
    success_hook,
)

seen: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


@success_hook
def note(context: HookContext) -> None:
    """Note a success."""
    seen.append((context.hook_def.name, context.op.name, context.step_key))


@failure_hook
def note_failure(context: HookContext) -> None:
    seen.append((context.hook_def.name, context.op.name, context.op_exception))


@op(tags={"of": "op"})
def one() -> int:
    return 1


@graph
def pair() -> None:
    one.tag({"by": "call"}).alias("first")()
    one()


def test_a_hook_above_a_job_is_added_to_a_copy_of_it() -> None:
    plain = pair.to_job(name="plain", description="kept")
    hooked = note(plain)
    assert (hooked.name, hooked.description) == ("plain", "kept")
    assert not seen, "the hook must not run at definition"
    assert plain.execute_in_process().success
    assert not seen
    assert note(hooked).execute_in_process().success
    assert seen == [("note", "first", "first"), ("note", "one", "one")]


def test_hooks_above_a_graph_are_those_of_its_calls_and_jobs() -> None:
    def note_key(context: HookContext, _: Any) -> HookExecutionResult:
        seen.append(context.step_key)
        return HookExecutionResult("other")

    other = HookDefinition(name="other", hook_fn=note_key)

    @other
    @note
    @graph
    def inner() -> None:
        one()

    @graph
    def outer() -> None:
        inner()
        one()

    assert outer.execute_in_process().success
    assert sorted(seen, key=str) == [("note", "one", "inner.one"), "inner.one"]
    seen.clear()
    alone = inner.to_job(tags={"a": "b"})
    assert (alone.name, alone.tags) == ("inner", {"a": "b"})
    assert alone.execute_in_process().success
    assert sorted(seen, key=str) == [("note", "one", "one"), "one"]
    renamed: Any = pair.alias("named")
    assert renamed.to_job().name == "named"
    assert renamed.with_hooks({note}).execute_in_process().success


def test_a_hook_runs_once_for_a_call_that_the_job_hooks_too() -> None:
    @note
    @job
    def twice() -> None:
        one.with_hooks(hook_defs={note})()
        one.with_hooks({note}).alias("again")()

    result = twice.execute_in_process()
    assert sorted(seen) == [("note", "again", "again"), ("note", "one", "one")]
    kinds = [e.event_type_value for e in result.all_events if "HOOK" in e.event_type_value]
    assert kinds == ["HOOK_COMPLETED", "HOOK_COMPLETED"]


def no_parameters() -> None: ...
def other_name(ctx: Any) -> None: ...
def of_context(context: Any) -> None: ...
def of_an_underscore(_: Any) -> None: ...
def of_both(_context: Any, event_list: Any) -> None: ...
def of_events(context: Any, events: Any) -> None: ...


@pytest.mark.parametrize(
    ("decorator", "fn", "is_refused"),
    [
        (success_hook, no_parameters, True),
        (failure_hook, no_parameters, True),
        (success_hook, other_name, True),
        (success_hook, of_context, False),
        (failure_hook, of_an_underscore, False),
        (success_hook, of_both, False),
        (event_list_hook, of_context, True),
        (event_list_hook, of_events, True),
        (event_list_hook, of_both, False),
        (success_hook, 3, True),
        (success_hook(required_resource_keys={1}), of_context, True),  # type: ignore[arg-type]
        (success_hook(required_resource_keys="db"), of_context, True),
        (success_hook(name="a b"), of_context, True),
        (failure_hook("a_name"), of_context, False),
        (failure_hook(), of_context, False),
        (success_hook(name="result"), of_context, False),
    ],
)
def test_functions_that_make_a_hook(decorator: Any, fn: Any, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(DagsterInvalidDefinitionError):
            decorator(fn)
    else:
        assert decorator(fn).decorated_fn is fn


def test_names_and_keys_of_a_hook() -> None:
    assert failure_hook("a_name")(of_context).name == "a_name"
    assert (note.name, note.required_resource_keys) == ("note", frozenset())
    assert success_hook(required_resource_keys={"a"})(of_context).required_resource_keys == {"a"}
    bare = HookDefinition(name="bare", hook_fn=of_both)
    assert (bare.decorated_fn, bare.hook_fn) == (None, of_both)


@pytest.mark.parametrize(
    "call",
    [
        lambda: note(one),
        lambda: note(one.alias("b")),
        lambda: note(3),
        lambda: note(),
        lambda: note(None, None),
        lambda: note(foo=None),
        lambda: HookDefinition(name="bare", hook_fn=of_both)(None, []),
        lambda: event_list_hook(of_both)(None),
    ],
)
def test_calls_that_a_hook_refuses(call: Callable[[], Any]) -> None:
    with pytest.raises(DagsterInvalidInvocationError):
        call()


@pytest.mark.parametrize(
    "hooks", [{3}, note, [note, "x"]], ids=["no hook", "one hook", "one of no hook"]
)
def test_with_hooks_takes_a_set_of_hooks(hooks: Any) -> None:
    for hooked in (one, one.alias("b"), pair, pair.to_job()):
        with pytest.raises(DagsterInvalidDefinitionError):
            hooked.with_hooks(hooks)


def test_a_hook_in_a_unit_test() -> None:
    note(build_hook_context(op=one))
    note(context=build_hook_context(op=one.alias("b")))
    assert [name for _, name, _ in seen] == ["one", "b"]

    @event_list_hook(required_resource_keys={"db"})
    def events(context: Any, _: Any) -> None:
        seen.append((context.resources.db, context.required_resource_keys, context.run_id, _))

    events(build_hook_context(resources={"db": 5}, run_id="r"), [1])
    assert seen[-1] == (5, {"db"}, "r", [1])
    with pytest.raises(DagsterInvalidDefinitionError, match="requires resources"):
        events(None, [])


@op(out={"a": Out(), "b": Out(is_required=False)})
def two(context: Any) -> Any:
    context.add_output_metadata({"k": 2}, output_name="a")
    yield Output(1, "a", metadata={"z": "q"})


@op(out=DynamicOut())
def many() -> Any:
    yield DynamicOutput(1, "x", metadata={"m": 3})
    yield DynamicOutput(2, "y")


@op
def echo(value: Any) -> Any:
    return value


@op
def fail() -> None:
    raise Failure("boom")


def test_outputs_and_metadata_in_the_context() -> None:
    found: dict[str, Any] = {}

    @success_hook
    def look(context: HookContext) -> None:
        metadata = {
            name: {key: getattr(each, "value", each) for key, each in values.items()}
            for name, values in context.op_output_metadata.items()
        }
        found[context.step_key] = (context.op_output_values, metadata, context.op.tags)

    @look
    @job
    def looked() -> None:
        one.tag({"by": "call"})()
        two()
        many().map(echo)

    assert looked.execute_in_process().success
    assert found["one"] == ({"result": 1}, {"result": {}}, {"of": "op", "by": "call"})
    assert found["two"] == ({"a": 1}, {"a": {"z": "q", "k": 2}}, {})
    values, metadata, _ = found["many"]
    assert values == {"result": {"x": 1, "y": 2}}
    assert {key: {**each} for key, each in metadata["result"].items()}["y"] == {}
    assert metadata["result"]["x"]["m"].value == 3
    assert found["echo[y]"][0] == {"result": 2}


def test_a_hook_for_events_decides_by_itself() -> None:
    kinds: dict[str, list[list[str]]] = {}

    @event_list_hook
    def every(context: Any, event_list: Any) -> HookExecutionResult:
        kinds.setdefault(context.step_key, []).append([e.event_type_value for e in event_list])
        return HookExecutionResult("every", is_skipped=context.step_key == "one")

    @event_list_hook
    def wrong(context: Any, event_list: Any) -> Any:
        return None

    @job(hooks={every, wrong, note_failure})
    def watched() -> None:
        one()
        fail.with_retry_policy(RetryPolicy(max_retries=1))()

    result = watched.execute_in_process(raise_on_error=False)
    assert kinds["one"] == [["STEP_START", "STEP_OUTPUT", "HANDLED_OUTPUT", "STEP_SUCCESS"]]
    assert kinds["fail"] == [
        ["STEP_START", "STEP_UP_FOR_RETRY"],
        ["STEP_RESTARTED", "STEP_FAILURE"],
    ]
    ends = [
        (e.step_key, e.event_type_value.removeprefix("HOOK_"), e.message.split('"')[1])
        for e in result.all_events
        if e.event_type_value.startswith("HOOK_")
    ]
    assert [end for end in ends if end[0] == "fail"] == [
        ("fail", "COMPLETED", "every"),
        ("fail", "SKIPPED", "note_failure"),
        ("fail", "ERRORED", "wrong"),
        ("fail", "COMPLETED", "every"),
        ("fail", "COMPLETED", "note_failure"),
        ("fail", "ERRORED", "wrong"),
    ]
    assert ("one", "SKIPPED", "every") in ends
    assert len(seen) == 1
    assert isinstance(seen[0][2], Failure)
