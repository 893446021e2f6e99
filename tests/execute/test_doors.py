"""Raising on errors, choosing an engine, and what is refused before anything runs."""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    ConfigError,
    DefinitionError,
    Failure,
    InvariantError,
    MaxRetriesExceededError,
    RetryPolicy,
    SelectionError,
    StepExecutionError,
    WorkerCrashedError,
    execute_in_process,
    execute_job,
    graph,
    in_process_executor,
    job,
    multiprocess_executor,
    op,
    ray_executor,
    reconstructable,
    validate_run_config,
)


class Custom(Exception):
    def __init__(self, code: int, hint: str = "") -> None:
        super().__init__(code, hint)
        self.code = code


@op
def fine() -> int:
    return 1


@op
def custom() -> int:
    raise Custom(5, hint="h")


@op
def take(value: Any) -> Any:
    return value


def test_in_process_raises_the_very_exception_and_stops_there(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    error = Custom(7)

    @op
    def raises() -> None:
        raise error

    @op
    def touch() -> None:
        mark.touch()

    @job
    def failing() -> None:
        raises.alias("aa")()
        touch.alias("zz")()

    with pytest.raises(Custom) as raised:
        failing.execute_in_process()
    assert raised.value is error
    assert not mark.exists()
    assert failing.execute_in_process(raise_on_error=False).is_node_success("zz")
    assert mark.exists()


def test_ray_raises_an_exception_of_the_same_class_once_all_is_done(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"

    @op
    def touch(value: int) -> None:
        mark.touch()

    @job
    def failing() -> None:
        custom()
        touch(fine())

    with pytest.raises(Custom) as raised:
        failing.execute(raise_on_error=True)
    assert raised.value.code == 5
    assert raised.value.args == (5, "h")
    assert mark.exists()


def test_ray_raises_classes_that_only_a_function_knows(execute_on_ray: Any) -> None:
    class Local(Exception):
        pass

    @op
    def raises() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise Local("outer") from error

    @job
    def failing() -> None:
        raises()

    with pytest.raises(Local, match="outer") as raised:
        execute_job(failing, raise_on_error=True)
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize("engine", ["in_process", "ray"])
def test_what_is_raised_for_the_kinds_of_failures(
    engine: str, request: pytest.FixtureRequest
) -> None:
    if engine == "ray":
        request.getfixturevalue("ray_session")

    def run(body: Any, **options: Any) -> None:
        @op(name="body", **options)
        def fails() -> None:
            body()

        @job
        def failing() -> None:
            fails()

        if engine == "ray":
            failing.execute(raise_on_error=True)
        else:
            failing.execute_in_process()

    def value_error() -> None:
        raise ValueError("plain")

    def failure() -> None:
        raise Failure("told", metadata={"n": 1}, allow_retries=False)

    def leave() -> None:
        raise SystemExit(4)

    with pytest.raises(ValueError, match="plain"):
        run(value_error)
    with pytest.raises(MaxRetriesExceededError, match="Exceeded max_retries of 1") as exhausted:
        run(value_error, retry_policy=RetryPolicy(max_retries=1))
    assert isinstance(exhausted.value.__cause__, ValueError)
    with pytest.raises(Failure) as told:
        run(failure, retry_policy=RetryPolicy(max_retries=1))
    assert told.value.metadata["n"].value == 1
    with pytest.raises(SystemExit) as left:
        run(leave)
    assert left.value.code == 4


def test_ray_raises_for_a_worker_that_died(execute_on_ray: Any) -> None:
    @op
    def dies() -> None:
        import os

        os._exit(3)

    @job
    def dying() -> None:
        dies()

    with pytest.raises(WorkerCrashedError, match="step 'dies': the worker process died"):
        dying.execute(raise_on_error=True)


def test_ray_stands_in_for_an_exception_that_cannot_travel(execute_on_ray: Any) -> None:
    @op
    def raises() -> None:
        class Needy(Exception):
            def __init__(self, one: int, two: int) -> None:
                super().__init__("needs two")

        raise Needy(1, 2)

    @job
    def failing() -> None:
        raises()

    with pytest.raises(StepExecutionError, match="step 'raises' failed: Needy: needs two"):
        failing.execute(raise_on_error=True)


@pytest.mark.parametrize("executor", [multiprocess_executor, ray_executor, None])
@pytest.mark.parametrize("run_config", [None, {"execution": {"nonsense": 1}}])
def test_in_process_leaves_executor_and_execution_config_aside(
    executor: Any, run_config: Any
) -> None:
    @job(executor_def=executor)
    def plain() -> None:
        fine()

    result = plain.execute_in_process(run_config)
    assert "Starting the in_process engine." in [event.message for event in result.all_events]


def test_every_way_to_ask_for_in_process() -> None:
    @job(executor_def=in_process_executor)
    def by_executor() -> None:
        fine()

    @job(config={"execution": {"config": {"in_process": None}}})
    def by_config() -> None:
        fine()

    @job
    def by_run() -> None:
        fine()

    results = [
        by_executor.execute(),
        execute_job(by_config),
        by_run.execute({"execution": {"config": {"in_process": {}}}}),
        execute_in_process(by_run),
    ]
    for result in results:
        assert "Starting the in_process engine." in [event.message for event in result.all_events]


@pytest.mark.parametrize(
    "execution",
    [
        None,
        {},
        {"config": {"multiprocess": {"max_concurrent": 0}}},
        {"config": {"multiprocess": None}},
    ],
)
def test_ray_is_the_default_and_multiprocess_means_it(execute_on_ray: Any, execution: Any) -> None:
    @job
    def plain() -> None:
        fine()

    result = plain.execute({"execution": execution} if execution is not None else None)
    assert "Starting the ray engine." in [event.message for event in result.all_events]
    assert result.output_for_node("fine") == 1


def test_reconstructable_jobs_made_in_functions_and_the_with_block(execute_on_ray: Any) -> None:
    @job
    def local() -> None:
        take(fine())

    with execute_job(reconstructable(local), raise_on_error=True) as result:
        assert result.output_for_node("take") == 1


def test_what_is_no_job_is_refused() -> None:
    with pytest.raises(DefinitionError, match="execute_job takes a job, got OpDefinition"):
        execute_job(fine)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InvariantError, match=r"a function without parameters, .* needs one, two"):
        reconstructable(lambda one, two, three=3, *more: fine)  # type: ignore[arg-type]
    with pytest.raises(InvariantError, match=r"reconstructable takes a job, or .*, got OpDef"):
        reconstructable(lambda: fine)  # type: ignore[arg-type,return-value]  # wrong on purpose


def test_graphs_run_in_process_with_resources() -> None:
    @op(required_resource_keys={"r"})
    def use(context: Any, n: int) -> int:
        return int(context.resources.r) + n

    @graph
    def part(n: Any) -> Any:
        return use(n)

    assert part.execute_in_process(resources={"r": 10}, input_values={"n": 1}).output_value() == 11


def test_selection_errors_name_the_clause(execute: Any) -> None:
    class Opaque:
        pass

    @op
    def make() -> Opaque:
        return Opaque()

    @op
    def use(thing: Opaque) -> None:
        pass

    @job
    def opaque() -> None:
        use(make())

    with pytest.raises(SelectionError, match="mkae") as raised:
        execute(opaque, op_selection=["mkae"])
    assert raised.value.clause == "mkae"
    assert "make" in str(raised.value)
    with pytest.raises(
        SelectionError, match=r"input 'use\.thing' is of type Opaque.*select that one too"
    ):
        execute(opaque, op_selection=["use"])
    assert execute(opaque, op_selection=["*use"]).success
    assert execute(opaque, op_selection=[]).success


def test_unknown_input_values_are_refused(execute: Any) -> None:
    @job
    def takes(number: Any) -> None:
        take(number)

    with pytest.raises(
        DefinitionError, match=r"input_values names 'numbr'.*Did you mean 'number'\?"
    ):
        execute(takes, input_values={"numbr": 1})


def test_validate_run_config_fills_in_defaults() -> None:
    from rayexec import Field

    @op(config_schema={"n": Field(int, default_value=3), "m": int})
    def configured() -> None:
        pass

    @graph
    def part() -> None:
        configured()

    @job
    def whole() -> None:
        part()

    full = validate_run_config(
        whole, {"ops": {"part": {"ops": {"configured": {"config": {"m": 1}}}}}}
    )
    assert full["ops"]["part.configured"]["config"] == {"n": 3, "m": 1}
    with pytest.raises(ConfigError, match="root:ops:part:ops:configured:config"):
        validate_run_config(whole)


@pytest.mark.long("starts three Rays in a process of its own")
def test_ray_starts_by_itself_and_again_after_a_shutdown(tmp_path: Path) -> None:
    script = tmp_path / "own_ray.py"
    script.write_text(
        textwrap.dedent(
            """
            import os
            import sys
            import ray
            from rayexec import InvariantError, job, op
            from rayexec.cluster import processes

            def attendants():
                found = set()
                for pid in processes.family({os.getpid()}, (), processes.table()):
                    with open(f"/proc/{pid}/cmdline") as file:
                        found |= {os.path.basename(each) for each in file.read().split(chr(0))}
                return found & {"dashboard.py", "monitor.py", "log_monitor.py"}

            @op
            def small() -> int:
                return 1

            @op
            def large(n: int) -> bytes:
                return bytes(300_000 + n)

            @job
            def works() -> None:
                large(small())

            if __name__ == "__main__":
                result = works.execute()
                assert result.success, result.all_events
                assert len(result.output_for_node("large")) == 300_001
                assert attendants() == set()
                ray.shutdown()
                assert result.output_for_node("small") == 1
                try:
                    result.output_for_node("large")
                except InvariantError as error:
                    assert "read results before ray.shutdown()" in str(error), error
                # As where Ray has them no longer.
                sys.modules["rayexec.cluster.own_ray"]._ATTENDANTS = ("gone",)
                again = works.execute()
                assert len(again.output_for_node("large")) == 300_001
                assert len(attendants()) == 3, attendants()
                print("all well")
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "all well\n"), done.stderr
    assert done.stderr == ""
