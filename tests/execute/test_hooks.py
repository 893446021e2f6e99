"""Hooks: their runs, their contexts, and the limits of their failures."""

from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    HookContext,
    Out,
    RetryPolicy,
    RetryRequested,
    failure_hook,
    graph,
    job,
    op,
    success_hook,
)


@op
def fine() -> int:
    return 5


@op
def boom() -> int:
    raise ValueError("the boom")


@op
def use(value: Any) -> Any:
    return value


def hook_events(result: Any) -> list[tuple[str, str]]:
    return [
        (e.step_key, e.event_type_value)
        for e in result.all_events
        if e.event_type_value.startswith("HOOK_")
    ]


@pytest.fixture
def notes(tmp_path: Path) -> Any:
    """A file for hooks to write lines to, and a function to read them."""

    class Notes:
        path = str(tmp_path / "notes")

        def read(self) -> list[str]:
            return (
                sorted(Path(self.path).read_text().splitlines()) if Path(self.path).exists() else []
            )

    return Notes()


def hooks_that_write(path: str) -> tuple[Any, Any]:
    def write(line: str) -> None:
        with open(path, "a") as file:
            file.write(line + "\n")

    @success_hook(required_resource_keys={"name"})
    def on_success(context: HookContext) -> None:
        assert context.op is not None
        write(
            f"{context.step_key} ok {context.op.name} {context.op_output_values} "
            f"{context.resources.name}"
        )

    @failure_hook
    def on_failure(context: HookContext) -> None:
        error = context.op_exception
        write(f"{context.step_key} failed {type(error).__name__}: {error}")

    return on_success, on_failure


def test_job_hooks_run_for_every_step(execute: Any, notes: Any) -> None:
    on_success, on_failure = hooks_that_write(notes.path)

    @job(hooks={on_success, on_failure}, resource_defs={"name": "res"})
    def hooked() -> None:
        use(boom())
        fine()

    result = execute(hooked)
    assert notes.read() == ["boom failed ValueError: the boom", "fine ok fine {'result': 5} res"]
    assert sorted(hook_events(result)) == [
        ("boom", "HOOK_COMPLETED"),
        ("boom", "HOOK_SKIPPED"),
        ("fine", "HOOK_COMPLETED"),
        ("fine", "HOOK_SKIPPED"),
    ]
    kinds = [event.event_type_value for event in result.all_events if event.step_key == "boom"]
    assert kinds.index("STEP_FAILURE") < kinds.index("HOOK_COMPLETED")


def test_hooks_of_one_call_of_a_graph_and_of_a_copy_of_the_job(execute: Any, notes: Any) -> None:
    on_success, _ = hooks_that_write(notes.path)

    @graph
    def part() -> Any:
        return use.alias("inner")(fine())

    @job(resource_defs={"name": "r"})
    def hooked() -> None:
        fine.with_hooks({on_success}).alias("with_it")()
        fine.alias("without")()
        part.with_hooks([on_success])()

    assert execute(hooked).success
    assert [line.split()[0] for line in notes.read()] == ["part.fine", "part.inner", "with_it"]
    Path(notes.path).unlink()
    assert execute(hooked.with_hooks({on_success})).success
    assert [line.split()[0] for line in notes.read()] == [
        "part.fine",
        "part.inner",
        "with_it",
        "without",
    ]


def test_a_hook_that_fails_fails_nothing_else(execute: Any) -> None:
    @success_hook
    def broken(context: HookContext) -> None:
        raise ValueError("hook")

    @success_hook
    def leaving(context: HookContext) -> None:
        raise SystemExit(3)

    @job(hooks={broken, leaving})
    def hooked() -> None:
        use(fine())

    result = execute(hooked)
    assert result.success
    assert hook_events(result) == [(key, "HOOK_ERRORED") for key in ("fine", "fine", "use", "use")]
    event = next(e for e in result.all_events if e.event_type_value == "HOOK_ERRORED")
    assert event.hook_errored_data.error.message == "hook"


def test_hooks_wait_for_the_last_attempt(execute: Any, notes: Any) -> None:
    _, on_failure = hooks_that_write(notes.path)

    @op(retry_policy=RetryPolicy(max_retries=2))
    def by_policy() -> None:
        raise ValueError("again")

    @op
    def by_request() -> None:
        raise RetryRequested(max_retries=1)

    @job(hooks={on_failure})
    def hooked() -> None:
        by_policy()
        by_request()

    execute(hooked)
    assert notes.read() == [
        "by_policy failed ValueError: again",
        "by_request failed MaxRetriesExceededError: Exceeded max_retries of 1",
    ]


def test_skipped_steps_have_no_hooks(execute: Any, notes: Any) -> None:
    on_success, on_failure = hooks_that_write(notes.path)

    @op(out=Out(is_required=False))
    def absent() -> Any:
        yield from ()

    @job(hooks={on_success, on_failure}, resource_defs={"name": "r"})
    def hooked() -> None:
        use(absent())

    result = execute(hooked)
    assert result.is_node_skipped("use")
    assert {key for key, _ in hook_events(result)} == {"absent"}


def test_what_hooks_see(execute: Any, notes: Any) -> None:
    path = notes.path

    @success_hook
    def look(context: HookContext) -> None:
        seen = [
            context.job_name,
            context.hook_name,
            context.op_config,
            context.op_exception,
            bool(context.run_id),
        ]
        context.log.info("looked")
        with open(path, "a") as file:
            file.write(repr(seen))

    @op(config_schema={"n": int})
    def configured() -> int:
        return 1

    @job(hooks={look})
    def hooked() -> None:
        configured()

    result = execute(hooked, {"ops": {"configured": {"config": {"n": 2}}}})
    assert notes.read() == ["['hooked', 'look', {'n': 2}, None, True]"]
    assert "looked" in [
        event.message for event in result.all_events if event.step_key == "configured"
    ]
