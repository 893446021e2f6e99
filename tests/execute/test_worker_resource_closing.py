"""Closing of resources of worker scope: threads, failures, timeouts, and processes that die."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from noted_resources import ALONE, notes_of, noting, teardowns, until, words_of

from rayexec import RetryPolicy, job, op, resource


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
    assert "Teardown of resources [upper] failed" in message
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
    assert "Teardown of resources [slow] failed" in message
    assert "took longer than 0.2 s" in message
    Path(go).touch()
    until(lambda: os.path.exists(f"{go}ne"))


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


@pytest.mark.long("waits for processes for some seconds")
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
