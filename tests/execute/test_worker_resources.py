"""Resources of worker scope: one opening in each worker, and a closing with the run."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noted_resources import (
    ALONE,
    inserting,
    notes_of,
    noting,
    opened_and_closed,
    pool_of,
    teardowns,
    words_of,
)

from rayexec import job, op, resource

TIME_WAIT = "06"  # the state in /proc/net/tcp of a connection that is over
LISTEN = "0A"  # the mailbox of this process


def test_a_pool_of_connections_is_opened_once_a_worker_and_closed_with_the_run(
    execute: Any, tmp_path: Path
) -> None:
    pool, file, notes = pool_of(tmp_path, "worker")
    result = execute(inserting(pool, 12), ALONE)
    assert result.success
    assert teardowns(result) == []
    pids = opened_and_closed(notes)
    connection = sqlite3.connect(file)
    by_pid = dict(connection.execute("SELECT pid, COUNT(*) FROM seen GROUP BY pid"))
    connection.close()
    assert sum(by_pid.values()) == 12
    assert {str(pid) for pid in by_pid} == pids
    assert len(pids) <= 4
    opened = [
        event for event in result.all_events if event.event_type_value == "RESOURCE_INIT_SUCCESS"
    ]
    assert len(opened) == len(pids)


def test_the_events_of_a_kept_resource_are_those_of_the_step_that_opened_it(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    pool, _, notes = pool_of(tmp_path, "worker")
    result = execute_on_ray(inserting(pool, 6), ALONE)
    keys = [
        event.step_key
        for event in result.all_events
        if event.event_type_value == "RESOURCE_INIT_SUCCESS"
    ]
    assert len(keys) == len(opened_and_closed(notes))
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_the_next_run_opens_its_own(execute_on_ray: Any, tmp_path: Path) -> None:
    pool, _, notes = pool_of(tmp_path, "worker")
    filling = inserting(pool, 8)
    for run in (1, 2):
        assert execute_on_ray(filling, ALONE).success
        verbs = words_of(notes)
        assert verbs.count("open") == verbs.count("close") >= run
    by_pid: dict[str, list[str]] = {}
    for word, pid in notes_of(notes):
        by_pid.setdefault(pid, []).append(word)
    assert all(verbs in (["open", "close"], ["open", "close"] * 2) for verbs in by_pid.values())


def test_runs_at_once_on_the_same_workers_keep_their_own(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    note = noting(notes)

    @resource(scope="worker")
    def own(context: Any) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(":memory:")
        connection.execute(f"CREATE TABLE run AS SELECT '{context.run_id}' AS id")
        note("open")
        yield connection
        connection.close()
        note("close")

    @op(required_resource_keys={"own"})
    def ask(context: Any) -> bool:
        time.sleep(0.005)  # so that the runs take turns
        [(run_id,)] = context.resources.own.execute("SELECT id FROM run")
        return bool(run_id == context.run_id)

    @job(resource_defs={"own": own})
    def asking() -> None:
        for _ in range(20):
            ask()

    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(execute_on_ray(asking, ALONE)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.success for result in results] == [True] * 3
    assert [teardowns(result) for result in results] == [[]] * 3
    for result in results:
        assert all(result.output_for_node(step.key) for step in result._spec.plan.steps)
    assert words_of(notes).count("open") == words_of(notes).count("close") >= 3


def test_kept_resources_close_after_a_failure_too(execute: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    note = noting(notes)

    @resource(scope="worker")
    def thing() -> Iterator[int]:
        note("open")
        yield 1
        note("close")

    @op(required_resource_keys={"thing"})
    def fail(context: Any) -> None:
        raise ValueError(str(context.resources.thing))

    @job(resource_defs={"thing": thing})
    def failing() -> None:
        fail()

    result = execute(failing)
    assert not result.success
    assert len(opened_and_closed(notes)) == 1


def test_nothing_is_left_of_a_run_that_kept_resources(execute_on_ray: Any, tmp_path: Path) -> None:
    pool, _, _ = pool_of(tmp_path, "worker")

    @op
    def threads_left(value: int) -> list[str]:
        ends = time.monotonic() + 60
        while True:
            names = [
                thread.name
                for thread in threading.enumerate()
                if thread.name == "rayexec-resources"
            ]
            if not names or time.monotonic() > ends:
                return names
            time.sleep(0.01)

    @job
    def looking() -> None:
        for index in range(4):
            threads_left.alias(f"look_{index}")()

    result = execute_on_ray(inserting(pool, 4), ALONE)
    port = result._engine._resource_workers.address.port
    rows = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = [row for row in rows if port in (int(row[0][-4:], 16), int(row[1][-4:], 16))]
    assert ours, "not even the kernel's own memory of the connections: is this the right port?"
    assert [state for _, _, state in ours if state not in (TIME_WAIT, LISTEN)] == []
    inputs = {"ops": {f"look_{index}": {"inputs": {"value": 1}} for index in range(4)}}
    left = execute_on_ray(looking, inputs)
    assert [left.output_for_node(f"look_{index}") for index in range(4)] == [[]] * 4


def test_what_kept_resources_print_is_not_lost(execute: Any, capfd: Any) -> None:
    @resource(scope="worker")
    def talker() -> Iterator[int]:
        os.system("echo opening")
        yield 1
        print("closing")
        os.system("echo too >&2")

    @op(required_resource_keys={"talker"})
    def use(context: Any) -> int:
        return int(context.resources.talker)

    @job(resource_defs={"talker": talker})
    def talking() -> None:
        use()

    result = execute(talking)
    assert result.success
    assert teardowns(result) == []
    printed = capfd.readouterr()
    assert (printed.out.split(), printed.err.split()) == (["opening", "closing"], ["too"])
