"""Ops that behave badly on a worker: clear failures, nothing else harmed, nothing hung."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rayexec import DefinitionError, EngineError, InputError, Out, Output, RetryPolicy, job, op


@op
def fine() -> int:
    return 1


@op
def take(value: Any) -> Any:
    return value


def root_of(result: Any, key: str) -> tuple[str, str]:
    data = result.failure_data_for_node(key)
    assert data is not None
    return data.root.cls_name, data.root.message


def test_an_output_that_cannot_be_pickled_names_op_and_output(execute_on_ray: Any) -> None:
    @op(out={"good": Out(), "bad": Out()})
    def locks() -> Any:
        yield Output(1, "good")
        yield Output(threading.Lock(), "bad")

    @job
    def locking() -> None:
        good, bad = locks()
        take.alias("of_good")(good)
        take.alias("of_bad")(bad)
        fine()

    result = execute_on_ray(locking)
    data = result.failure_data_for_node("locks")
    assert data.error.cls_name == "DagsterExecutionHandleOutputError"
    assert 'output "bad" of op "locks" cannot be pickled' in data.error.message
    assert "Return data instead of an open handle" in data.error.message
    assert data.error.cause.cls_name == "TypeError"
    assert result.is_node_untouched("of_bad")
    assert result.output_for_node("fine") == 1
    assert locking.execute_in_process().success


def test_an_output_that_cannot_be_unpickled_fails_its_consumer(execute_on_ray: Any) -> None:
    @op
    def trap() -> Any:
        class Trap:
            def __reduce__(self) -> tuple[object, ...]:
                return int, ("not a number",)

        return Trap()

    @job
    def trapping() -> None:
        made = trap()
        take(made)
        take.alias("other")(made)
        take.alias("sole")(trap.alias("other_trap")())  # in the same batch, and yet no other way

    result = execute_on_ray(trapping)
    assert result.is_node_success("trap")
    for consumer in ("take", "sole"):
        data = result.failure_data_for_node(consumer)
        assert data.error.cls_name == InputError.dagster_name
        assert 'input "value" cannot be unpickled: ValueError' in data.error.message


def test_prints_of_python_c_and_children_arrive_in_order(execute_on_ray: Any, capfd: Any) -> None:
    @op
    def talk() -> None:
        import ctypes

        print("python")
        print("to stderr", file=sys.stderr)
        libc = ctypes.CDLL(None)
        sys.stdout.flush()
        libc.puts(b"from C")
        libc.fflush(None)
        subprocess.run(["sh", "-c", "echo child; echo child-err >&2"], check=True)
        os.write(1, b"raw \xff\n")

    @job
    def talking() -> None:
        talk()

    result = execute_on_ray(talking)
    [captured] = [event for event in result.all_events if event.event_type_value == "LOGS_CAPTURED"]
    assert captured.event_specific_data == {
        "stdout": "python\nfrom C\nchild\nraw \\xff\n",
        "stderr": "to stderr\nchild-err\n",
    }
    printed = capfd.readouterr()
    assert printed.out == "python\nfrom C\nchild\nraw \\xff\n"
    assert printed.err == "to stderr\nchild-err\n"


def test_prints_belong_to_their_step_even_where_it_fails(execute_on_ray: Any) -> None:
    @op
    def shout(context: Any) -> None:
        print(context.op_handle.name)
        raise ValueError

    @op
    def silent() -> None:
        pass

    @job
    def talking() -> None:
        for name in "abc":
            shout.alias(name)()
        silent()

    result = execute_on_ray(talking)
    for name in "abc":
        [captured] = [
            e
            for e in result.all_events
            if (e.step_key, e.event_type_value) == (name, "LOGS_CAPTURED")
        ]
        assert captured.event_specific_data["stdout"] == f"{name}\n"
    assert not [
        e
        for e in result.all_events
        if (e.step_key, e.event_type_value) == ("silent", "LOGS_CAPTURED")
    ]


def test_a_flood_of_prints_is_cut(execute_on_ray: Any) -> None:
    @op
    def flood() -> None:
        os.write(1, b"x" * 3_000_000)

    @job
    def flooding() -> None:
        flood()

    result = execute_on_ray(flooding)
    [captured] = [event for event in result.all_events if event.event_type_value == "LOGS_CAPTURED"]
    said = captured.event_specific_data
    assert said["stdout"] == "x" * 1024 * 1024
    assert "1,951,424 bytes that the step printed on stdout were left out" in said["stderr"]


@pytest.mark.parametrize(
    "how", ["os._exit(3)", "os.kill(os.getpid(), 9)", "__import__('ctypes').string_at(0)"]
)
def test_a_process_that_dies_fails_its_step_only(execute_on_ray: Any, how: str) -> None:
    @op
    def die(value: int) -> int:
        eval(how, {"os": os})
        return value

    @op
    def beside(value: int) -> int:
        return value + 1

    @job
    def dying() -> None:
        take(die(fine()))
        beside(fine.alias("other")())

    result = execute_on_ray(dying)
    assert not result.success
    name, message = root_of(result, "die")
    assert name == "WorkerCrashedError"
    assert message.startswith("step 'die': the worker process died ")
    assert result.is_node_untouched("take")
    assert result.output_for_node("beside") == 2
    assert result.output_for_node("fine") == 1


def test_a_process_that_keeps_dying_uses_its_retries_up(execute_on_ray: Any) -> None:
    @op(retry_policy=RetryPolicy(max_retries=2))
    def die() -> None:
        os._exit(1)

    @job
    def dying() -> None:
        die()

    result = execute_on_ray(dying)
    assert result.retry_attempts_for_node("die") == 2
    assert root_of(result, "die")[0] == "WorkerCrashedError"


class NeedsTwo(Exception):
    """Pickles, but does not unpickle."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class HoldsALock(Exception):
    """Does not pickle."""

    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


class Mute(Exception):
    """Cannot say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class ExitsOnLoad(Exception):
    """Ends the process that unpickles it."""

    def __reduce__(self) -> Any:
        return sys.exit, (7,)


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (lambda: NeedsTwo(1, 2), "NeedsTwo", "1 and 2"),
        (HoldsALock, "HoldsALock", "locked"),
        (Mute, "Mute", "<Mute whose message cannot be read: RuntimeError>"),
        (lambda: ExitsOnLoad("x"), "ExitsOnLoad", "x"),
        (lambda: ValueError("m" * 3_000_000), "ValueError", None),
        (lambda: KeyboardInterrupt("mine"), "KeyboardInterrupt", "mine"),
    ],
)
def test_exceptions_that_travel_badly(
    execute_on_ray: Any, make: Any, name: str, message: str | None
) -> None:
    @op
    def raises() -> None:
        raise make()

    @job
    def raising() -> None:
        take(raises())
        fine()

    result = execute_on_ray(raising)
    assert result.get_failed_step_keys() == frozenset({"raises"})
    found = root_of(result, "raises")
    assert found[0] == name
    assert message is None or found[1] == message
    assert len(found[1]) < 300_000
    assert result.output_for_node("fine") == 1


def test_exceptions_with_bad_manners_in_process() -> None:
    @op
    def mute() -> None:
        raise Mute

    @job
    def raising() -> None:
        mute()

    assert root_of(raising.execute_in_process(raise_on_error=False), "mute")[0] == "Mute"


def test_code_that_cannot_be_pickled_is_refused_before_anything_runs(execute_on_ray: Any) -> None:
    lock = threading.Lock()

    @op
    def uses_lock() -> bool:
        return lock.locked()

    @job(resource_defs={"held": lock})
    def locking() -> None:
        uses_lock()
        fine()

    with pytest.raises(DefinitionError) as raised:
        execute_on_ray(locking)
    assert "op 'uses_lock': TypeError: cannot pickle '_thread.lock' object" in str(raised.value)
    assert "resource 'held'" in str(raised.value)
    assert "op 'fine'" not in str(raised.value)


def test_input_values_that_cannot_be_pickled_are_refused_before_anything_runs(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"

    @op
    def touch() -> None:
        mark.touch()

    @job
    def takes(thing: Any) -> None:
        touch()
        take(thing)

    with pytest.raises(
        EngineError, match="the value of input 'thing' of the job cannot be pickled"
    ):
        execute_on_ray(takes, input_values={"thing": threading.Lock()})
    assert not mark.exists()


def test_config_that_cannot_be_pickled_is_refused_before_anything_runs(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"

    @op
    def touch() -> None:
        mark.touch()

    @job
    def configured() -> None:
        touch()
        fine()

    with pytest.raises(EngineError, match="the config of step 'fine' cannot be pickled"):
        execute_on_ray(configured, {"ops": {"fine": {"config": threading.Lock()}}})
    assert not mark.exists()


def test_streams_that_an_op_closes_or_replaces(execute_on_ray: Any) -> None:
    @op
    def closes() -> None:
        os.close(1)

    @op
    def replaces() -> None:
        import io

        sys.stdout = io.StringIO()
        print("nobody reads this")
        sys.stdout = sys.__stdout__

    @op
    def says() -> None:
        print("heard")

    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}})
    def closing() -> None:
        closes.tag({"dagster/priority": 2})()
        replaces.tag({"dagster/priority": 1})()
        says()

    result = execute_on_ray(closing)
    assert result.success
    [captured] = [
        e
        for e in result.all_events
        if (e.step_key, e.event_type_value) == ("says", "LOGS_CAPTURED")
    ]
    assert captured.event_specific_data["stdout"] == "heard\n"


def test_metadata_of_classes_that_only_the_worker_knows(execute_on_ray: Any) -> None:
    @op
    def described() -> Any:
        class Rows(int):
            pass

        return Output(1, metadata={"rows": Rows(3)})

    @job
    def describing() -> None:
        described()

    result = execute_on_ray(describing)
    assert result.success, result.failure_data_for_node("described")
    [event] = [event for event in result.all_events if event.is_successful_output]
    assert event.step_output_data.metadata["rows"].value == 3
