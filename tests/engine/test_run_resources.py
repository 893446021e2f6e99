"""Resources that a process keeps open for a run, closed by the main thread, another, or at exit."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rayexec import ResourceDefinition
from rayexec.definitions.surroundings import RunInfo
from rayexec.engine.ray.driver.mailbox import mailbox_at
from rayexec.engine.ray.driver.resource_workers import ResourceWorkers
from rayexec.engine.ray.protocol.framing import Address, frame
from rayexec.engine.ray.worker import run_resources
from rayexec.engine.ray.worker.run_resources import IN_BATCH, resources_of_run
from rayexec.steps.resources import OpenResources

MAIN = threading.get_ident()


def noting(closed_by: list[int]) -> Callable[[], OpenResources]:
    """Return a maker of resources; ``thing`` notes the thread of its end."""

    def thing() -> Iterator[int]:
        yield 1
        closed_by.append(threading.get_ident())

    return lambda: OpenResources({"thing": ResourceDefinition(thing)}, {}, RunInfo("run", "job"))


@pytest.fixture
def workers() -> Iterator[ResourceWorkers]:
    opened = ResourceWorkers(mailbox_at("127.0.0.1"), ["thing"])
    yield opened
    opened.close()


def open_thing(workers: ResourceWorkers, closed_by: list[int]) -> None:
    resources = resources_of_run(workers.address, noting(closed_by))
    assert resources is not None
    assert resources.get(["thing"]).thing == 1
    assert [record.key for record in resources.take_records()] == ["thing"]
    assert resources_of_run(workers.address, noting([])) is resources


def test_the_main_thread_closes_once_its_batch_is_over(
    workers: ResourceWorkers, monkeypatch: Any
) -> None:
    monkeypatch.setattr(run_resources, "_MAIN_THREAD_TIMEOUT_S", 60.0)
    closed_by: list[int] = []
    driver = threading.Thread(target=workers.close)
    with IN_BATCH:
        open_thing(workers, closed_by)
        driver.start()
        while not run_resources._DUE:
            driver.join(0.01)
        assert closed_by == []
    assert closed_by == [MAIN]
    driver.join()
    assert workers.take_records() == ()


def test_another_thread_closes_where_the_main_thread_is_busy(
    workers: ResourceWorkers, monkeypatch: Any
) -> None:
    monkeypatch.setattr(run_resources, "_MAIN_THREAD_TIMEOUT_S", 0.1)
    closed_by: list[int] = []
    with IN_BATCH:
        open_thing(workers, closed_by)
        workers.close()  # waits for the answer
        assert closed_by
        assert MAIN not in closed_by
    assert len(closed_by) == 1
    assert workers.take_records() == ()
    assert not run_resources._OPEN
    assert not run_resources._DUE


def test_strangers_are_not_listened_to(workers: ResourceWorkers) -> None:
    host, port, *_ = workers.address
    for letter in (
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        frame(Address(host, port, b"another key"), b"cos\nsystem\n(S'true'\ntR."),
    ):
        with socket.create_connection((host, port)) as stranger:
            stranger.sendall(letter)
    workers.close()
    assert workers.take_records() == ()


def test_without_a_way_to_the_driver_nothing_is_kept_and_that_is_said_once(caplog: Any) -> None:
    gone = ResourceWorkers(mailbox_at("127.0.0.1"), ["thing"])
    gone.close()
    for _ in range(2):
        assert resources_of_run(gone.address, noting([])) is None
    assert [
        record.message
        for record in caplog.records
        if "no way to the run's driver" in record.message
    ] == [caplog.records[0].message]


def test_a_batch_opens_what_cannot_be_kept() -> None:
    closed_by: list[int] = []

    def thing() -> Iterator[int]:
        yield 1
        closed_by.append(MAIN)

    definitions = {"thing": ResourceDefinition(thing, scope="worker")}
    with OpenResources(
        definitions, {}, RunInfo("run", "job"), worker_scope=lambda: None
    ) as resources:
        assert resources.get(["thing"]).thing == 1
    assert closed_by == [MAIN]


PROCESS = """
import os, sys
from rayexec import ResourceDefinition
from rayexec.engine.ray.protocol.framing import Address
from rayexec.engine.ray.worker.run_resources import resources_of_run
from rayexec.steps.resources import OpenResources
from rayexec.definitions.surroundings import RunInfo

def thing():
    yield 1
    print("closed by", os.getpid() == first, flush=True)

first = os.getpid()
address = eval(sys.argv[1])
definitions = {"thing": ResourceDefinition(thing)}
resources = resources_of_run(address, lambda: OpenResources(definitions, {}, RunInfo("run", "job")))
resources.get(["thing"])
resources.take_records()
if os.fork() == 0:
    sys.exit()  # the child is no worker: what it ends with is not its own
os.wait()
print("waited", flush=True)
if sys.argv[2] == "exits":
    sys.exit()
os._exit(1)
"""


@pytest.mark.parametrize(
    ("ending", "printed", "error"),
    [("exits", "closed by True\n", None), ("dies", "", "ended before it could close it")],
)
def test_a_process_that_ends_in_good_order_closes_what_it_keeps(
    workers: ResourceWorkers, ending: str, printed: str, error: str | None
) -> None:
    command = [sys.executable, "-c", PROCESS, repr(workers.address), ending]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "waited\n", done.stderr
    workers.close()
    [record] = workers.take_records()
    assert record.stdout == printed
    assert (record.error and record.error.message[-30:]) == error
