"""One Ray for the whole test run, and a way to run a job on each engine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_fixtures import chromium, dev_server, open_page
from hypothesis import HealthCheck, settings
from leftovers import Leftovers
from machine_checks import CheckedStatuses

from rayexec import JobDefinition, RunResult
from rayexec.scheduler.step_table import StepTable

if TYPE_CHECKING:
    from served_pages import ServedInThread

__all__ = ["chromium", "dev_server", "open_page"]  # fixtures of another file

Execute = Callable[..., RunResult]

# On a busy machine any example may take long, and so may its making. Nothing is wrong then.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a mark of a slow test without a reason."""
    mark = item.get_closest_marker("long")
    if mark is not None and not (len(mark.args) == 1 and isinstance(mark.args[0], str)):
        raise pytest.UsageError(f"{item.nodeid}: give pytest.mark.long its reason")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make what a test printed fit to travel between processes: lone surrogates are not."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


SLOTS = 4
_STARTED: list[bool] = []  # whether the session's Ray is up


@pytest.fixture(scope="session", autouse=True)
def no_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Have runs recorded in a temporary directory, also those that ops start, and never in the
    user's home.
    """
    home = tmp_path_factory.mktemp("rayexec-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYEXEC_HOME", str(home))
        yield home


@pytest.fixture(scope="session", autouse=True)
def checked_transitions() -> Iterator[None]:
    """Have every run of this process check each transition of a step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepTable, "list_type", CheckedStatuses)
        yield


@pytest.fixture(scope="session")
def ray_session(no_home: Path) -> Iterator[None]:
    """Ray on this machine with four slots and a pool, started for the first test that asks, ended
    with the test run.
    """
    import logging
    import os

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns on each start
    import ray

    ray.init(
        address="local",
        num_cpus=SLOTS,
        resources={"pool:single": 1},
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    _STARTED.append(True)
    yield
    _STARTED.clear()
    ray.shutdown()


def _on_ray(job: JobDefinition, run_config: Any = None, **options: Any) -> RunResult:
    return job.execute(run_config, raise_on_error=False, **options)


def _in_process(job: JobDefinition, run_config: Any = None, **options: Any) -> RunResult:
    return job.execute_in_process(run_config, raise_on_error=False, **options)


@pytest.fixture
def execute_on_ray(ray_session: None) -> Execute:
    """Run a job on Ray; never raises for steps that failed."""
    return _on_ray


@pytest.fixture(params=["in_process", "ray"])
def execute(request: pytest.FixtureRequest) -> Execute:
    """Run a job on the engine that the test is parametrized with; never raises for steps that
    failed.
    """
    if request.param == "in_process":
        return _in_process
    request.getfixturevalue("ray_session")
    return _on_ray


def _in_process_and_load(job: JobDefinition, run_config: Any = None, **options: Any) -> RunResult:
    config = {**(run_config or {}), "execution": {"config": {"in_process": {}}}}
    return job.execute(config, raise_on_error=False, **options)


@pytest.fixture(params=["in_process", "ray"])
def execute_and_load(request: pytest.FixtureRequest) -> Execute:
    """Run a job like ``execute``, with a result whose outputs IO managers load.

    That of ``execute_in_process`` remembers the objects.
    """
    if request.param == "in_process":
        return _in_process_and_load
    request.getfixturevalue("ray_session")
    return _on_ray


@pytest.fixture
def is_ray(request: pytest.FixtureRequest) -> bool:
    """Whether the test runs on Ray, for the few things in which engines differ."""
    return bool(request.node.callspec.params["execute"] == "ray")


@pytest.fixture(scope="module")
def web_client(no_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedInThread]:
    """A client of the browser door in a thread, on a run store of this module's tests alone."""
    from served_pages import served_in_thread

    with pytest.MonkeyPatch.context() as patch:
        # Other modules' runs have the same tags and jobs, and come before in one process.
        patch.setenv("RAYEXEC_HOME", str(tmp_path_factory.mktemp("rayexec-home")))
        with served_in_thread() as served:
            yield served


@pytest.fixture
def nothing_left() -> Iterator[Leftovers]:
    """Fail a test that leaves files, processes or resources of runs behind; it may add ``drivers``,
    and ``check``.
    """
    leftovers = Leftovers()
    yield leftovers
    leftovers.check()


@pytest.fixture(scope="module", autouse=True)
def nothing_left_taken() -> Iterator[None]:
    """Fail where a module's tests leave CPUs or limits of the session's Ray taken."""
    yield
    ray = sys.modules.get("ray")
    if ray is None or not _STARTED:
        return
    assert ray.is_initialized(), "a test of this module shut the session's Ray down"
    assert ray.cluster_resources()["CPU"] == SLOTS, (
        "a test of this module put another Ray in the session's place"
    )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        whole, left = ray.cluster_resources(), ray.available_resources()
        taken = {
            name: left.get(name, 0)
            for name in ("CPU", "pool:single")
            if left.get(name, 0) < whole.get(name, 0)
        }
        if not taken:
            return
        time.sleep(0.05)
    raise AssertionError(f"the tests of this module left resources taken; free are {taken}")
