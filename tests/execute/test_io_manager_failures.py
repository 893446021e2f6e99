"""Errors of IO managers, in their methods and before the run."""

from pathlib import Path
from typing import Any

import pytest
from json_manager import JsonManager, pair, root_of

from rayexec import (
    DefinitionError,
    Failure,
    In,
    InputContext,
    InputError,
    InvariantError,
    IOManager,
    Out,
    Output,
    OutputContext,
    RetryPolicy,
    graph,
    io_manager,
    job,
    op,
    resource,
)


class Failing(IOManager):
    """Fails ``fails`` times on the way that ``on`` says, counting in a file."""

    def __init__(
        self, on: str, count: Path, fails: int = 99, error: type[Exception] = OSError
    ) -> None:
        self.on, self.count, self.fails, self.error = on, count, fails, error

    def _maybe(self, what: str) -> None:
        if what == self.on:
            with self.count.open("a") as file:
                file.write("x")
            if len(self.count.read_text()) <= self.fails:
                raise self.error(f"disk {what}")

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        self._maybe("store")

    def load_input(self, context: InputContext) -> Any:
        self._maybe("load")
        return "loaded"


def failing_job(manager: Failing, policy: RetryPolicy | None = None) -> Any:
    @op(out=Out(io_manager_key="files"), retry_policy=policy)
    def make() -> int:
        return 1

    @op(retry_policy=policy)
    def use(value: Any) -> Any:
        return value

    @job(resource_defs={"files": manager})
    def risky() -> None:
        use(make())

    return risky


def test_an_error_in_handle_output_fails_the_step(execute: Any, tmp_path: Path) -> None:
    result = execute(failing_job(Failing("store", tmp_path / "count")))
    assert root_of(result, "make") == (
        "DagsterExecutionHandleOutputError",
        (
            "IO manager 'files' could not store output 'result' of step 'make' (op 'make'): "
            "OSError: "
            "disk store"
        ),
    )
    cause = result.exception_for_node("make").__cause__
    assert (type(cause), str(cause)) == (OSError, "disk store")
    assert result.is_node_untouched("use")
    assert result.counts() == {"succeeded": 0, "failed": 1, "skipped": 0, "not run": 1}
    with pytest.raises(InvariantError):
        result.output_for_node("make")


def test_an_error_in_load_input_fails_the_consumer(execute_and_load: Any, tmp_path: Path) -> None:
    result = execute_and_load(failing_job(Failing("load", tmp_path / "count")))
    assert result.is_node_success("make")
    kind, message = root_of(result, "use")
    assert kind == "DagsterExecutionLoadInputError"
    assert message == (
        "IO manager 'files' could not load input 'value' of step 'use' (op 'use'), which is "
        "output 'result' of "
        "step 'make': OSError: disk load"
    )
    assert isinstance(result.exception_for_node("use").__cause__, OSError)
    with pytest.raises(InputError, match="disk load"):
        result.output_for_node("make")


@pytest.mark.parametrize("on", ["store", "load"])
@pytest.mark.parametrize(
    "policy", [RetryPolicy(max_retries=2), RetryPolicy(max_retries=2, retry_on=(OSError,))]
)
def test_retry_policies_apply(execute: Any, on: str, policy: RetryPolicy, tmp_path: Path) -> None:
    result = execute(failing_job(Failing(on, tmp_path / "count", fails=2), policy))
    assert result.success
    assert result.output_for_node("use") == "loaded"
    assert result.retry_attempts_for_node("make" if on == "store" else "use") == 2


def test_a_policy_for_other_errors_does_not_apply(execute: Any, tmp_path: Path) -> None:
    policy = RetryPolicy(max_retries=2, retry_on=(KeyError,))
    result = execute(failing_job(Failing("store", tmp_path / "count", fails=1), policy))
    assert not result.success
    assert result.retry_attempts_for_node("make") == 0


class Refusing(IOManager):
    def handle_output(self, context: OutputContext, obj: Any) -> None:
        raise Failure("not today", metadata={"why": "full"}, allow_retries=False)

    def load_input(self, context: InputContext) -> Any:
        return None


def test_failure_says_what_it_says(execute: Any) -> None:
    @job(op_retry_policy=RetryPolicy(max_retries=2), resource_defs={"files": Refusing()})
    def refusing() -> None:
        pair()

    result = execute(refusing)
    data = result.failure_data_for_node("pair")
    assert data.user_failure_data.description == "not today"
    assert result.retry_attempts_for_node("pair") == 0


def test_a_manager_that_the_job_lacks_is_named_before_anything_runs(
    execute: Any, tmp_path: Path
) -> None:
    @op(out={"left": Out(io_manager_key="file"), "right": Out()})
    def both() -> tuple[int, int]:
        return 1, 2

    @op(ins={"value": In(input_manager_key="tables")})
    def use(value: Any) -> Any:
        return value

    @job
    def lacking() -> None:
        both()
        use(pair())

    with pytest.raises(DefinitionError) as caught:
        execute(lacking, resources={"files": JsonManager(directory=str(tmp_path))})
    assert str(caught.value).startswith(
        "job 'lacking' lacks resources: output 'left' of op 'both' requires IO manager 'file'; "
        "input 'value' of op "
        "'use' requires input manager 'tables'. Give them in @job(resource_defs={…})"
    )
    assert not list(tmp_path.iterdir())


def test_a_resource_that_is_no_manager() -> None:
    @resource
    def plain() -> Any:
        return JsonManager(directory="nowhere")

    @op(ins={"value": In(input_manager_key="files")})
    def use(value: Any) -> Any:
        return value

    @graph
    def stores() -> None:
        pair()

    @graph
    def loads() -> None:
        use()

    for given in ("a string", plain):
        with pytest.raises(DefinitionError, match="requires an IO manager under 'files'"):
            stores.to_job(resource_defs={"files": given})
        with pytest.raises(DefinitionError, match="requires an input manager under 'files'"):
            loads.to_job(resource_defs={"files": given})


def test_a_function_that_returns_no_manager(execute: Any) -> None:
    @io_manager
    def odd_manager() -> Any:
        return "a string"

    @job(resource_defs={"files": odd_manager})
    def odd() -> None:
        pair()

    assert root_of(execute(odd), "pair") == (
        "DagsterResourceFunctionError",
        "resource 'files' is a str, which has no handle_output: make it a subclass of IOManager.",
    )


class Choosy(IOManager):
    """Stores everything but a 2, and loads everything but the input ``y``."""

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        if obj == 2:
            raise OSError("disk store")

    def load_input(self, context: InputContext) -> Any:
        if context.name == "y":
            raise OSError("disk load")
        return 1


@op(out={"kept": Out(), "lost": Out()})
def one_and_two() -> Any:
    yield Output(1, "kept")
    yield Output(2, "lost", metadata={"rows": 3})


@op
def one() -> int:
    return 1


@op
def three_inputs(x: int, y: int, z: int) -> None: ...


def test_events_of_a_step_end_with_the_port_that_its_manager_refuses() -> None:
    """As in Dagster: an output has been yielded before its manager refuses it."""

    @job(resource_defs={"io_manager": Choosy()})
    def refused() -> None:
        one_and_two()
        three_inputs(one(), one.alias("one_y")(), one.alias("one_z")())

    result = refused.execute_in_process(raise_on_error=False)
    kinds = {
        node: [event.event_type_value for event in result.events_for_node(node)]
        for node in ("one_and_two", "three_inputs")
    }
    stored = ["STEP_OUTPUT", "HANDLED_OUTPUT"]
    assert kinds == {
        "one_and_two": ["STEP_START", *stored, "STEP_OUTPUT", "STEP_FAILURE"],
        "three_inputs": ["STEP_START", "LOADED_INPUT", "STEP_FAILURE"],
    }
    (lost,) = [
        each.step_output_data
        for each in result.all_events
        if each.is_successful_output and each.step_output_data.output_name == "lost"
    ]
    assert lost.metadata["rows"].value == 3


def test_a_policy_shows_the_error_of_a_manager_itself() -> None:
    @op(retry_policy=RetryPolicy(max_retries=1))
    def two() -> int:
        return 2

    @job(resource_defs={"io_manager": Choosy()})
    def retried() -> None:
        two()

    result = retried.execute_in_process(raise_on_error=False)
    failure = result.failure_data_for_node("two")
    assert failure is not None
    assert failure.error.cause is not None
    names = (failure.error.cls_name, failure.error.cause.cls_name)
    assert names == ("RetryRequestedFromPolicy", "OSError")
