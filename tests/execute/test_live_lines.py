"""Lines of long steps arrive while the steps run, and are in the log once."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rayexec import RetryPolicy, RunResult, job, op
from rayexec.events import Attempt, DeliveredLines, LiveLines
from rayexec.execute import Observer, Record
from rayexec.store import MemoryRunStore, RunStore
from rayexec.store.reading import StoredLog

Execute = Callable[..., RunResult]
PATIENCE = 120.0  # seconds after which a step gives up waiting to have been told of


def wait_for(file: Path) -> None:
    """Wait, in an op, until a test has heard what it is waiting for."""
    end = time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < end, "nobody heard"
        time.sleep(0.02)


class Hears(Observer):
    """Makes the file ``go`` once all of ``awaited`` was told of by steps that go on; keeps all that
    it hears.
    """

    def __init__(self, go: Path, *awaited: str) -> None:
        self._go = go
        self._awaited = awaited
        self._delivered = DeliveredLines()
        self.live: list[LiveLines] = []
        self.logs: list[str] = []
        self.stdout = self.stderr = ""

    def lines_received(self, lines: LiveLines) -> None:
        self.live.append(lines)
        self._delivered.add(lines)
        self._add([line.message for line in lines.logs], lines.stdout.text, lines.stderr.text)
        if all(each in self.stdout + self.stderr + "".join(self.logs) for each in self._awaited):
            self._go.touch()

    def recorded(self, record: Record) -> None:
        if isinstance(record, Attempt):
            record = self._delivered.remainder_of(record)
            self._add([line.message for line in record.logs], record.stdout, record.stderr)

    def _add(self, logs: list[str], stdout: str, stderr: str) -> None:
        self.logs += logs
        self.stdout += stdout
        self.stderr += stderr


def lines_of(result: RunResult, key: str) -> tuple[list[str], str, str]:
    """Return what stands in a run's log of a step: its log lines, standard output and error."""
    logs, stdout, stderr = [], "", ""
    for event in result.filter_events(lambda event: event.step_key == key):
        if event.event_type_value == "LOG_MESSAGE":
            logs.append(event.message)
        elif event.event_type_value == "LOGS_CAPTURED":
            stdout += event.event_specific_data["stdout"]
            stderr += event.event_specific_data["stderr"]
    return logs, stdout, stderr


def check_stored(store: RunStore, result: RunResult) -> None:
    """Hold what is stored to what the result says."""
    assert list(StoredLog(store.open(result.run_id)).events()) == result.all_events


def test_a_long_step_is_heard_while_it_runs_and_each_line_once(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    go = tmp_path / "go"

    @op
    def talk(context: Any) -> int:
        print("printed")
        context.log.warning("logged")
        os.write(2, b"odd \xff\n")
        print("half a ", end="")
        wait_for(go)
        print("line")
        context.log.info("logged later")
        return 1

    @job
    def talking() -> None:
        talk()

    heard, store = Hears(go, "printed", "logged", "odd"), MemoryRunStore()
    result = execute_on_ray(talking, observer=heard, store=store)
    assert result.success
    assert {each.step for each in heard.live} == {0}
    assert "half" not in "".join(each.stdout.text for each in heard.live)
    expected = ["logged", "logged later"], "printed\nhalf a line\n", "odd \\xff\n"
    assert (heard.logs, heard.stdout, heard.stderr) == expected
    assert lines_of(result, "talk") == expected
    check_stored(store, result)


@pytest.mark.long("waits for processes for some seconds")
def test_a_step_behind_many_in_its_batch_is_heard(execute_on_ray: Execute, tmp_path: Path) -> None:
    go = tmp_path / "go"

    @op
    def count(context: Any, value: int = 0) -> int:
        context.log.info(f"at {value}")
        if value == 150:
            print("the long one")
            wait_for(go)
        return value + 1

    @job
    def counting() -> None:
        value = count()
        for _ in range(200):
            value = count(value)

    heard = Hears(go, "the long one", "at 150")
    result = execute_on_ray(counting, observer=heard)
    assert result.success
    assert {(each.step, each.attempt_number) for each in heard.live} == {(150, 0)}
    assert heard.logs == [f"at {value}" for value in range(201)]
    assert heard.stdout == "the long one\n"
    assert lines_of(result, "count_151") == (["at 150"], "the long one\n", "")


@pytest.mark.long("waits for processes for some seconds")
def test_children_of_a_step_that_does_nothing_itself_are_heard(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    go = tmp_path / "go"

    @op
    def shell() -> None:
        os.system(
            f"echo from a child; for _ in $(seq 2400); do [ -e {go} ] && exit; sleep 0.05; done; "
            f"exit 1"
        )

    @job
    def shelling() -> None:
        shell()

    heard = Hears(go, "from a child")
    assert execute_on_ray(shelling, observer=heard).success
    assert go.exists()
    assert heard.stdout == "from a child\n"


@pytest.mark.long("waits for processes for some seconds")
def test_what_a_worker_that_is_killed_had_logged_and_printed_is_kept_once(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    go = tmp_path / "go"

    @op(retry_policy=RetryPolicy(max_retries=1))
    def dies(context: Any) -> None:
        if context.retry_number:
            print("again")
            return
        print("printed before it died")
        context.log.info("logged before it died")
        wait_for(go)
        print("printed last")
        os.kill(os.getpid(), signal.SIGKILL)

    @job
    def dying() -> None:
        dies()

    heard, store = Hears(go, "printed before", "logged before"), MemoryRunStore()
    result = execute_on_ray(dying, observer=heard, store=store)
    assert result.success
    assert result.retry_attempts_for_node("dies") == 1
    expected = ["logged before it died"], "printed before it died\nprinted last\nagain\n", ""
    assert (heard.logs, heard.stdout, heard.stderr) == expected
    assert lines_of(result, "dies") == expected
    check_stored(store, result)


@pytest.mark.long("waits for processes for some seconds")
def test_a_step_that_floods_does_not_flood_the_driver(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    go = tmp_path / "go"

    @op
    def flood() -> None:
        data = b"".join(b"%07d\n" % number for number in range(131_072))  # 1 MiB
        for _ in range(10):
            os.write(1, data)
        os.write(1, b"the end\n")
        wait_for(go)

    @job
    def flooding() -> None:
        flood()

    heard, store = Hears(go, "the end"), MemoryRunStore()
    result = execute_on_ray(flooding, observer=heard, store=store)
    assert result.success
    assert all(len(each.stdout.text) <= 64 * 1024 for each in heard.live)
    assert (
        sum(len(each.stdout.text) + each.stdout.left_out for each in heard.live)
        == 10 * 1024 * 1024 + 8
    )
    _, stdout, stderr = lines_of(result, "flood")
    assert stdout == "".join(f"{number:07d}\n" for number in range(131_072))
    assert "9,437,192 bytes that the step printed on stdout were left out" in stderr
    assert stdout in heard.stdout  # what was left out comes at the end
    check_stored(store, result)


@pytest.mark.long("waits for processes for some seconds")
def test_what_a_step_that_never_came_back_had_said_stands_behind_the_rest(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    go = tmp_path / "go"

    @op
    def stays(context: Any) -> None:
        print("printed")
        context.log.info("logged")
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                print("not yet")

    @job
    def staying() -> None:
        stays()

    class Interrupts(Hears):
        def lines_received(self, lines: LiveLines) -> None:
            super().lines_received(lines)
            if go.exists():
                go.unlink()
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    store = MemoryRunStore()
    try:
        result = execute_on_ray(staying, observer=Interrupts(go, "printed", "logged"), store=store)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.status == "CANCELED"
    logs, stdout, _ = lines_of(result, "stays")
    assert (logs, stdout.splitlines()[0], stdout.count("printed")) == (["logged"], "printed", 1)
    check_stored(store, result)


def test_loggers_get_each_line_once_and_while_the_step_runs(
    execute: Execute, tmp_path: Path, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, logger="rayexec")
    go = tmp_path / "go"

    @op
    def talk(context: Any) -> None:
        context.log.info("early")
        end = time.monotonic() + PATIENCE
        while not go.exists():
            assert time.monotonic() < end, "nobody heard"
            time.sleep(0.1)
            context.log.debug("still here")
        context.log.info("late")

    @job
    def talking() -> None:
        talk()

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            go.touch()

    handler = Log()
    logging.getLogger("rayexec").addHandler(handler)
    try:
        result = execute(talking)
    finally:
        logging.getLogger("rayexec").removeHandler(handler)
    assert result.success
    assert [
        each.getMessage().rpartition(" - ")[2]
        for each in caplog.records
        if each.levelno == logging.INFO
    ] == [
        "early",
        "late",
    ]
    assert lines_of(result, "talk")[0].count("early") == 1


def test_without_an_observer_all_that_is_printed_comes_out_once(
    execute_on_ray: Execute, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    @op
    def talk() -> None:
        print("early")
        time.sleep(3.2)  # longer than it takes to be told of, which nobody can wait for here
        print("late")

    @job
    def talking() -> None:
        talk()

    assert execute_on_ray(talking).success
    assert capfd.readouterr().out.splitlines() == ["early", "late"]
