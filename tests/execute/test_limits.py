"""Limits and start methods of the ``execution`` section, observed from inside the ops."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    ConfigError,
    EngineError,
    RayOptions,
    job,
    multiprocess_executor,
    op,
    ray_executor,
)

HOLD = 0.15  # seconds for which an op stays, so that others would overlap it if they could


@contextmanager
def present(directory: str, name: str) -> Iterator[list[str]]:
    """Be in the directory for a while; yield the names of all in it, this one included."""
    path = os.path.join(directory, name)
    Path(path).touch()
    try:
        yield os.listdir(directory)
    finally:
        os.unlink(path)


def crowd(
    directory: Path,
    tags: list[dict[str, str]],
    execution: dict[str, Any],
    meeting: str | None = None,
) -> Any:
    """Return a job of as many ops as there are tags, each of which tells who else was running.

    Those with a name that begins with ``meeting`` stay until two of them are there.
    """
    path, folder = str(directory / "there"), str(directory)
    os.mkdir(path)

    @op
    def stay(context: Any) -> list[str]:
        name = context.op_handle.name
        with present(path, name):
            ends = time.monotonic() + 120
            while name.startswith(meeting or " ") and time.monotonic() < ends:
                there = [each for each in os.listdir(path) if each.startswith(meeting or " ")]
                if "met" in os.listdir(folder) or len(there) >= 2:
                    Path(folder, "met").touch()
                    return there
            time.sleep(HOLD)
            return os.listdir(path)

    @job(config={"execution": {"config": execution}})
    def crowded() -> None:
        for index, own_tags in enumerate(tags):
            stay.tag(own_tags).alias(f"{'_'.join(own_tags.values()) or 'free'}_{index}")()

    return crowded


def most_at_once(result: Any, prefix: str = "") -> int:
    """Return the largest count of ops with that prefix in the sight of any op."""
    assert result.success, [event.message for event in result.get_step_failure_events()]
    keys = [event.step_key for event in result.get_step_success_events()]
    return max(
        sum(str(name).startswith(prefix) for name in result.output_for_node(key)) for key in keys
    )


@pytest.mark.parametrize("executor", ["multiprocess", "ray"])
@pytest.mark.parametrize("limit", [1, 2])
def test_max_concurrent_holds(
    execute_on_ray: Any, tmp_path: Path, executor: str, limit: int
) -> None:
    busy = crowd(tmp_path, [{}] * 5, {executor: {"max_concurrent": limit}})
    assert most_at_once(execute_on_ray(busy)) <= limit


MEETING = """
import os
import sys
import time
from pathlib import Path

from rayexec import job, op

path = sys.argv[1]


@op
def meet(context) -> bool:
    Path(path, context.op_handle.name).touch()
    end = time.monotonic() + 120
    while len(os.listdir(path)) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    return len(os.listdir(path)) == 3


@job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 4}}}})
def meeting():
    for name in "abc":
        meet.alias(name)()


if __name__ == "__main__":
    result = meeting.execute()
    print([result.output_for_node(name) for name in "abc"])
"""


@pytest.mark.long("starts a Ray of its own")
def test_independent_steps_do_run_at_once(tmp_path: Path) -> None:
    # On a Ray of its own, so that no other test's workers are in the way.
    script, path = tmp_path / "meeting.py", tmp_path / "path"
    script.write_text(MEETING)
    path.mkdir()
    command = [sys.executable, str(script), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.strip() == "[True, True, True]", done.stderr


def test_more_steps_than_processors_run_at_once_where_it_is_asked_for(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    path = str(tmp_path)

    @op
    def meet(context: Any) -> int:
        Path(path, context.op_handle.name).touch()
        end = time.monotonic() + 120
        while len(os.listdir(path)) < 6 and time.monotonic() < end:
            time.sleep(0.01)
        return len(os.listdir(path))

    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 6}}}})
    def wide() -> None:
        for index in range(6):
            meet.alias(f"m{index}")()

    assert execute_on_ray(wide).output_for_node("m0") == 6


def test_the_caller_may_override_max_concurrent(execute_on_ray: Any, tmp_path: Path) -> None:
    busy = crowd(tmp_path, [{}] * 4, {"multiprocess": {"max_concurrent": 4}})
    assert most_at_once(execute_on_ray(busy, max_concurrent=1)) == 1


def test_a_limit_on_one_value_of_a_tag(execute_on_ray: Any, tmp_path: Path) -> None:
    limits = [{"key": "database", "value": "redshift", "limit": 1}]
    tags = [{"database": "redshift"}] * 3 + [{"database": "other"}] * 3
    settings = {"max_concurrent": 4, "tag_concurrency_limits": limits}
    busy = crowd(tmp_path, tags, {"multiprocess": settings}, meeting="other")
    result = execute_on_ray(busy)
    assert most_at_once(result, "redshift") == 1
    # A step that a tag blocks uses nothing of max_concurrent.
    assert most_at_once(result, "other") >= 2


@pytest.mark.parametrize("value", [{}, {"value": {"applyLimitPerUniqueValue": False}}])
def test_a_limit_on_a_tag_whatever_its_value(
    execute_on_ray: Any, tmp_path: Path, value: dict[str, Any]
) -> None:
    tags = [{"db": "x"}, {"db": "y"}, {"db": "z"}, {}]
    busy = crowd(
        tmp_path,
        tags,
        {"multiprocess": {"tag_concurrency_limits": [{"key": "db", "limit": 1, **value}]}},
    )
    result = execute_on_ray(busy)
    seen = [result.output_for_node(event.step_key) for event in result.get_step_success_events()]
    assert max(sum(not name.startswith("free") for name in names) for names in seen) == 1


def test_a_limit_for_each_value_of_a_tag(execute_on_ray: Any, tmp_path: Path) -> None:
    limits = [{"key": "db", "limit": 1, "value": {"applyLimitPerUniqueValue": True}}]
    busy = crowd(
        tmp_path,
        [{"db": "x"}, {"db": "x"}, {"db": "y"}, {"db": "y"}],
        {"ray": {"tag_concurrency_limits": limits}},
    )
    result = execute_on_ray(busy)
    assert most_at_once(result, "x") == most_at_once(result, "y") == 1


def test_several_limits_hold_together(execute_on_ray: Any, tmp_path: Path) -> None:
    limits = [{"key": "db", "limit": 2}, {"key": "team", "value": "a", "limit": 1}]
    tags = [{"db": "x", "team": "a"}] * 2 + [{"db": "x", "team": "b"}] * 3
    busy = crowd(tmp_path, tags, {"multiprocess": {"tag_concurrency_limits": limits}})
    result = execute_on_ray(busy)
    assert most_at_once(result, "x_a") == 1
    assert most_at_once(result, "x") <= 2


def test_limits_look_at_op_tags_and_not_at_tags_of_runs(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    path = str(tmp_path)

    @op
    def meet(context: Any) -> int:
        Path(path, context.op_handle.name).touch()
        end = time.monotonic() + 120
        while len(os.listdir(path)) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        return len(os.listdir(path))

    limits = {"multiprocess": {"tag_concurrency_limits": [{"key": "db", "limit": 1}]}}

    @job(config={"execution": {"config": limits}}, tags={"db": "x"})
    def meeting() -> None:
        meet.alias("a")()
        meet.alias("b")()

    assert execute_on_ray(meeting).output_for_node("a") == 2


def test_executors_that_are_configured_beforehand(execute_on_ray: Any, tmp_path: Path) -> None:
    path = str(tmp_path)

    @op
    def stay(context: Any) -> int:
        with present(path, context.op_handle.name):
            time.sleep(HOLD)
            return len(os.listdir(path))

    @job(executor_def=multiprocess_executor.configured({"max_concurrent": 1}))
    def one_at_a_time() -> None:
        for index in range(3):
            stay.alias(f"s{index}")()

    result = execute_on_ray(one_at_a_time)
    assert [result.output_for_node(f"s{index}") for index in range(3)] == [1, 1, 1]

    @job(executor_def=ray_executor)
    def direct() -> None:
        stay()

    assert execute_on_ray(direct, {"execution": {"config": {"max_concurrent": 2}}}).success
    with pytest.raises(ConfigError, match="multiprocess"):
        execute_on_ray(direct, {"execution": {"config": {"multiprocess": {}}}})


@pytest.mark.parametrize(
    ("execution", "path"),
    [
        ({"config": {}}, "root:execution:config"),
        ({"config": None}, "root:execution:config"),
        ({"config": {"in_process": {}, "multiprocess": {}}}, "root:execution:config"),
        ({"config": {"threads": {}}}, "root:execution:config:threads"),
        (
            {"config": {"multiprocess": {"max_concurrent": -1}}},
            "root:execution:config:multiprocess:max_concurrent",
        ),
        (
            {"config": {"multiprocess": {"start_method": "forkserver"}}},
            "root:execution:config:multiprocess:start_method",
        ),
        (
            {"config": {"multiprocess": {"start_method": {"fork": {}}}}},
            "root:execution:config:multiprocess:start_method",
        ),
        (
            {"config": {"multiprocess": {"start_method": {"spawn": {}, "forkserver": {}}}}},
            "root:execution:config:multiprocess:start_method",
        ),
        (
            {"config": {"multiprocess": {"retries": "disabled"}}},
            "root:execution:config:multiprocess:retries",
        ),
        (
            {"config": {"in_process": {"max_concurrent": 2}}},
            "root:execution:config:in_process:max_concurrent",
        ),
        (
            {"config": {"multiprocess": {"tag_concurrency_limits": [{"key": "a", "limit": 0}]}}},
            "root:execution:config:multiprocess:tag_concurrency_limits",
        ),
        (
            {"config": {"multiprocess": {"tag_concurrency_limits": [{"key": "a"}]}}},
            "root:execution:config:multiprocess:tag_concurrency_limits",
        ),
    ],
)
def test_wrong_execution_config_is_refused_before_anything_runs(execution: Any, path: str) -> None:
    @op
    def never() -> None:
        raise AssertionError("it ran")

    @job
    def refused() -> None:
        never()

    with pytest.raises(ConfigError) as raised:
        refused.execute({"execution": execution})
    assert path in str(raised.value)
    assert refused.execute_in_process(
        {"execution": execution}, raise_on_error=False
    ).is_node_failed("never")


def test_priority_orders_what_is_ready(execute: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"

    @op
    def note(context: Any) -> None:
        with open(log, "a") as file:
            file.write(context.op_handle.name + " ")

    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}})
    def ordered() -> None:
        note.alias("low").tag({"dagster/priority": -1})()
        note.alias("first")()
        note.alias("second")()
        note.alias("high").tag({"dagster/priority": "10"})()
        note.alias("middle").tag({"rayexec/priority": 5})()

    assert execute(ordered).success
    assert log.read_text().split() == ["high", "middle", "first", "second", "low"]


def test_what_an_op_asks_of_ray(execute_on_ray: Any) -> None:
    @op(ray_options=RayOptions(num_cpus=2))
    def two() -> Any:
        import ray

        return ray.get_runtime_context().get_assigned_resources().get("CPU")

    @op(ray_options={"num_cpus": 0.5})
    def half() -> Any:
        import ray

        return ray.get_runtime_context().get_assigned_resources().get("CPU")

    @job
    def asking() -> None:
        two()
        half()

    result = execute_on_ray(asking)
    assert result.output_for_node("two") == 2
    assert result.output_for_node("half") == 0.5


def test_a_request_that_no_node_meets_is_refused(ray_session: None) -> None:
    from rayexec.config.run_config import ResolvedConfig
    from rayexec.engine.ray.driver.ray_engine import RayEngine
    from rayexec.execute import prepare
    from rayexec.placement.capacity import Capacity

    @op(ray_options={"num_cpus": 3, "resources": {"tpu": 1}})
    def greedy() -> None:
        pass

    @job
    def asking() -> None:
        greedy()

    spec = prepare(asking)
    assert isinstance(spec.config, ResolvedConfig)
    engine = RayEngine(spec, Capacity(({"CPU": 2.0}, {"CPU": 1.0}), is_own=True))
    with pytest.raises(
        EngineError, match=r"op 'greedy' asks for 3 CPU \(the largest node has 2\), 1 tpu"
    ):
        engine.start()
