"""Scopes of resources: an attempt of a step, a batch, or the time of a worker in the run."""

import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    ConfigurableResource,
    DefinitionError,
    ResourceDefinition,
    RetryPolicy,
    failure_hook,
    job,
    op,
    resource,
)

TIME_WAIT = "06"  # the state in /proc/net/tcp of a connection that is over
# Batches of one step, so that a worker gets many.
ALONE = {"execution": {"config": {"ray": {"batches": False, "max_concurrent": 2}}}}


def noting(path: Path) -> Callable[[str], None]:
    """Return a function that appends a word with the process's id to a file, whichever process
    calls it.
    """
    name = str(path)

    def note(word: str) -> None:
        with open(name, "a") as file:
            file.write(f"{word}:{os.getpid()}\n")

    return note


def notes_of(path: Path) -> list[tuple[str, str]]:
    """Return (word, process id) of each note."""
    lines = path.read_text().split() if path.exists() else []
    return [(word, pid) for word, _, pid in (line.partition(":") for line in lines)]


def words_of(path: Path) -> list[str]:
    return [word for word, _ in notes_of(path)]


def opened_and_closed(path: Path) -> set[str]:
    """Return the processes that opened once and closed once; fails for any that did otherwise."""
    notes = notes_of(path)
    pids = {pid for _, pid in notes}
    for pid in pids:
        assert [word for word, each in notes if each == pid] == ["open", "close"], notes
    return pids


def teardowns(result: Any) -> list[str]:
    return [
        event.message
        for event in result.all_events
        if event.message.startswith("Teardown of resource")
    ]


class Pool:
    """SQLite connections to one file, handed out and taken back; each may be used by the thread
    that made it.
    """

    def __init__(self, file: str) -> None:
        self.connections = [sqlite3.connect(file) for _ in range(2)]
        self.thread = threading.get_ident()

    def insert(self, value: int) -> int:
        connection = self.connections.pop()
        try:
            with connection:
                connection.execute(
                    "INSERT INTO seen (value, pid) VALUES (?, ?)", (value, os.getpid())
                )
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM seen WHERE pid = ?", (os.getpid(),)
            ).fetchone()
            return int(count)
        finally:
            self.connections.append(connection)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


def pool_of(directory: Path, scope: str) -> tuple[ResourceDefinition, Path, Path]:
    """Return a pool as a resource, its database, and the file for its notes."""
    file, notes = directory / "seen.db", directory / "notes"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE seen (value INTEGER, pid INTEGER)")
    connection.close()
    note, name = noting(notes), str(file)

    @resource(scope=scope)
    def pool() -> Iterator[Pool]:
        opened = Pool(name)
        note("open")
        yield opened
        opened.close()  # raises in another thread than that which opened it
        note("close")

    return pool, file, notes


def inserting(pool: ResourceDefinition, steps: int) -> Any:
    @op(required_resource_keys={"pool"})
    def insert(context: Any) -> int:
        return int(context.resources.pool.insert(1))

    @job(resource_defs={"pool": pool})
    def filling() -> None:
        for _ in range(steps):
            insert()

    return filling


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


def test_a_pool_of_batch_scope_is_opened_for_each_batch(
    execute: Any, is_ray: bool, tmp_path: Path
) -> None:
    pool, _, notes = pool_of(tmp_path, "batch")
    assert execute(inserting(pool, 6), ALONE).success
    assert words_of(notes).count("open") == words_of(notes).count("close") == (6 if is_ray else 1)


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


def test_a_worker_closes_in_the_thread_that_opened(execute_on_ray: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    note = noting(notes)

    @resource(scope="worker")
    def thing() -> Iterator[int]:
        thread = threading.get_ident()
        yield 1
        note("same" if threading.get_ident() == thread else "another")

    @op(required_resource_keys={"thing"})
    def use(context: Any) -> None:
        assert context.resources.thing == 1

    @job(resource_defs={"thing": thing})
    def using() -> None:
        use()

    assert execute_on_ray(using).success
    assert words_of(notes) == ["same"]


def test_nothing_is_left_of_a_run_that_kept_resources(execute_on_ray: Any, tmp_path: Path) -> None:
    pool, _, _ = pool_of(tmp_path, "worker")

    @op
    def threads_left(value: int) -> list[str]:
        ends = time.monotonic() + 10
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
    assert [state for _, _, state in ours if state != TIME_WAIT] == []
    inputs = {"ops": {f"look_{index}": {"inputs": {"value": 1}} for index in range(4)}}
    left = execute_on_ray(looking, inputs)
    assert [left.output_for_node(f"look_{index}") for index in range(4)] == [[]] * 4


@pytest.mark.parametrize("scope", ["batch", "worker"])
def test_spawned_processes_close_before_they_end(
    execute_on_ray: Any, tmp_path: Path, scope: str
) -> None:
    pool, _, notes = pool_of(tmp_path, scope)
    settings: Any = {"execution": {"config": {"multiprocess": {"start_method": {"spawn": {}}}}}}
    result = execute_on_ray(inserting(pool, 3), settings)
    assert result.success
    assert teardowns(result) == []
    assert len(opened_and_closed(notes)) == 3


def test_a_kept_resource_that_fails_to_close_is_told_and_the_others_close(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"

    @resource(scope="worker")
    def base() -> Iterator[int]:
        yield 1
        closed.touch()

    @resource(scope="worker", required_resource_keys={"base"})
    def upper(context: Any) -> Iterator[int]:
        yield context.resources.base + 1
        raise SystemExit("stuck")

    @op(required_resource_keys={"upper"})
    def use(context: Any) -> int:
        return int(context.resources.upper)

    @job(resource_defs={"base": base, "upper": upper})
    def using() -> None:
        use()

    result = execute_on_ray(using)
    assert result.success
    assert result.output_for_node("use") == 2
    assert closed.exists()
    [message] = teardowns(result)
    assert 'Teardown of resource "upper" failed' in message
    assert "stuck" in message


def test_a_resource_that_takes_long_to_close_is_told_and_not_waited_for(
    execute_on_ray: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("rayexec.engine.ray.driver.resource_workers._CLOSE_TIMEOUT_S", 0.2)
    go = str(tmp_path / "go")

    @resource(scope="worker")
    def slow() -> Iterator[int]:
        yield 1
        while not os.path.exists(go):
            time.sleep(0.01)
        os.rename(go, f"{go}ne")

    @op(required_resource_keys={"slow"})
    def use(context: Any) -> int:
        return int(context.resources.slow)

    @job(resource_defs={"slow": slow})
    def using() -> None:
        use()

    result = execute_on_ray(using)
    assert result.success
    [message] = teardowns(result)
    assert 'Teardown of resource "slow" failed' in message
    assert "took longer than 0.2 s" in message
    Path(go).touch()
    until(lambda: os.path.exists(f"{go}ne"))


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends, "it never came to hold"
        time.sleep(0.01)


def test_a_killed_worker_is_told_to_have_closed_nothing(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    note = noting(notes)

    @resource(scope="worker")
    def thing() -> Iterator[int]:
        note("open")
        yield 1
        note("close")

    @op(required_resource_keys={"thing"}, retry_policy=RetryPolicy(max_retries=1))
    def die_once(context: Any) -> int:
        if context.retry_number == 0:
            os._exit(9)
        return int(context.resources.thing)

    @job(resource_defs={"thing": thing})
    def dying() -> None:
        die_once()

    result = execute_on_ray(dying)
    assert result.success
    assert sorted(words_of(notes)) == ["close", "open", "open"]
    [message] = teardowns(result)
    dead = notes_of(notes)[0][1]
    assert f"the worker process {dead} on " in message
    assert "ended before it could close it" in message


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


def test_kept_resources_close_when_the_run_is_interrupted(
    ray_session: None, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    note = noting(notes)

    @resource(scope="worker")
    def thing() -> Iterator[int]:
        note("open")
        yield 1
        note("close")

    @op(required_resource_keys={"thing"})
    def wait(context: Any) -> None:
        note("waiting")
        while True:
            time.sleep(0.01)

    @job(resource_defs={"thing": thing})
    def waiting() -> None:
        wait()

    def interrupt() -> None:
        until(lambda: "waiting" in words_of(notes))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        waiting.execute()
    assert words_of(notes) == ["open", "waiting", "close"]


def test_a_run_inside_a_step_that_dies_leaves_nothing_open(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    note = noting(notes)

    @resource(scope="worker")
    def thing() -> Iterator[int]:
        note("open")
        yield 1
        note("close")

    @op(required_resource_keys={"thing"})
    def use(context: Any) -> None:
        assert context.resources.thing == 1

    @op
    def wait_for_ever(start: Any) -> None:
        note("inner")
        time.sleep(1000)

    @job(resource_defs={"thing": thing}, config=ALONE)
    def inner() -> None:
        wait_for_ever(use())

    @op
    def outer() -> None:
        def die() -> None:
            until(lambda: "inner" in words_of(notes))
            os._exit(9)

        threading.Thread(target=die).start()
        inner.execute()

    @job
    def outermost() -> None:
        outer()

    assert not execute_on_ray(outermost).success
    until(
        lambda: (
            "close" in words_of(notes)
            or not any(alive(pid) for word, pid in notes_of(notes) if word == "open")
        )
    )


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_resources_of_step_scope_are_opened_for_each_attempt(execute: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    note = noting(notes)

    @resource
    def base() -> Iterator[int]:
        note("open-base")
        yield 10
        note("close-base")

    @resource(scope="step", required_resource_keys={"base"})
    def cursor(context: Any) -> Iterator[int]:
        note("open")
        yield context.resources.base + 1
        note("close")

    @failure_hook(required_resource_keys={"cursor"})
    def tell(context: Any) -> None:
        note(f"hook-{context.resources.cursor}")

    @op(required_resource_keys={"cursor"}, retry_policy=RetryPolicy(max_retries=1))
    def first(context: Any) -> int:
        note("first")
        if context.retry_number == 0:
            raise ValueError("again")
        return int(context.resources.cursor)

    @op
    def without(value: int) -> int:
        note("without")
        return value

    @op(required_resource_keys={"cursor"})
    def last(context: Any, value: int) -> None:
        note("last")
        raise ValueError("no more")

    @job(resource_defs={"base": base, "cursor": cursor}, hooks={tell})
    def stepping() -> None:
        last(without(first()))

    result = execute(stepping)
    assert not result.success
    assert result.output_for_node("first") == 11
    verbs = [word for word in words_of(notes) if not word.endswith("-base")]
    once = ["open", "first", "close"]
    assert verbs == [*once, *once, "without", "open", "last", "hook-11", "close"]
    opened = [
        event.step_key
        for event in result.all_events
        if event.event_type_value == "RESOURCE_INIT_SUCCESS" and '"cursor"' in event.message
    ]
    assert opened == ["first", "first", "last"]


def test_a_step_scoped_resource_that_fails_to_close_is_told_at_its_step(execute: Any) -> None:
    @resource(scope="step")
    def thing() -> Iterator[int]:
        yield 1
        raise RuntimeError("stuck")

    @op(required_resource_keys={"thing"})
    def use(context: Any) -> int:
        return int(context.resources.thing)

    @job(resource_defs={"thing": thing})
    def using() -> None:
        use()

    result = execute(using)
    assert result.success
    [event] = [
        event for event in result.all_events if event.message.startswith("Teardown of resource")
    ]
    assert event.step_key == "use"


class Model(ConfigurableResource):
    name: str
    resource_scope = "worker"


class Cursor(ConfigurableResource):
    resource_scope = "step"


def test_a_class_says_its_scope_and_copies_keep_it() -> None:
    from rayexec.definitions.resource import resource_definition

    assert resource_definition(Model(name="a")).scope == "worker"
    assert Model.configure_at_launch().scope == "worker"
    assert Model.configure_at_launch().with_scope("batch").scope == "batch"
    assert resource_definition(Cursor()).scope == "step"

    @resource(scope="step", config_schema={"n": int})
    def thing(context: Any) -> int:
        return int(context.resource_config["n"])

    assert thing.configured({"n": 1}).scope == "step"
    assert resource(lambda: 1).scope == "batch"
    assert resource(scope="slice")(lambda: 1).scope == "batch"  # its former name


@pytest.mark.parametrize("scope", ["run", "Worker", None])
def test_an_unknown_scope_is_told_where_it_stands(scope: Any) -> None:
    message = re.escape(f"scope must be one of 'step', 'batch', 'worker', got {scope!r}.")
    with pytest.raises(DefinitionError, match=f"'thing'.*{message}"):

        @resource(scope=scope)
        def thing() -> int:
            return 1

    with pytest.raises(DefinitionError, match=message):
        resource(lambda: 1).with_scope(scope)
    with pytest.raises(DefinitionError, match=f"resource class Wrong.*{message}"):

        class Wrong(ConfigurableResource):
            resource_scope = scope


@pytest.mark.parametrize(
    ("upper", "base", "is_fit"),
    [
        ("worker", "worker", True),
        ("worker", "batch", False),
        ("worker", "step", False),
        ("batch", "worker", True),
        ("batch", "batch", True),
        ("batch", "step", False),
        ("step", "worker", True),
        ("step", "batch", True),
        ("step", "step", True),
    ],
)
def test_no_resource_outlives_what_it_requires(
    execute: Any, upper: str, base: str, is_fit: bool
) -> None:
    below = ResourceDefinition(lambda: 1, scope=base)
    above = ResourceDefinition(
        lambda context: context.resources.below + 1,
        required_resource_keys=frozenset({"below"}),
        scope=upper,
    )

    @op(required_resource_keys={"above"})
    def use(context: Any) -> int:
        return int(context.resources.above)

    @job(resource_defs={"below": below, "above": above})
    def using() -> None:
        use()

    if is_fit:
        assert execute(using).output_for_node("use") == 2
        return
    message = f"resource 'above' (scope '{upper}') requires resource 'below' (scope '{base}')"
    with pytest.raises(DefinitionError, match=re.escape(message)):
        execute(using)


def test_a_plain_object_may_stand_below_any_resource(execute: Any) -> None:
    @resource(scope="worker", required_resource_keys={"url"})
    def client(context: Any) -> str:
        return f"client of {context.resources.url}"

    @op(required_resource_keys={"client"})
    def use(context: Any) -> str:
        return str(context.resources.client)

    @job(resource_defs={"client": client, "url": "here"})
    def using() -> None:
        use()

    assert execute(using).output_for_node("use") == "client of here"
    assert execute(using, resources={"client": "mine"}).output_for_node("use") == "mine"
