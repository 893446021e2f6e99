"""Code by value with data in it: it travels once, goes with its run, and is named if too large."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayexec import (
    DefinitionError,
    DynamicOut,
    DynamicOutput,
    JobDefinition,
    RunResult,
    job,
    op,
    resource,
)
from rayexec.engine.ray.driver import exported_tasks, shipped_code
from rayexec.engine.ray.driver.code_parts import MIB, describe_large_parts
from rayexec.engine.ray.worker.code_cache import CodeCache
from rayexec.engine.ray.worker.fresh_defaults import FreshDefaults
from rayexec.engine.ray.worker.run_code import Code
from rayexec.execute import prepare

Execute = Callable[..., RunResult]

FLOATS_IN_MIB = MIB // 8


def summing_job(value: float, mib: int = 8) -> JobDefinition:
    """Return a job like that of a notebook's cell: its ops use a large array from around them."""
    data = np.full(mib * FLOATS_IN_MIB, value)

    @op
    def use() -> tuple[float, int]:
        data[0] = 0.0  # it is the worker's own, and not a view of the object store
        return float(data.sum()), os.getpid()

    @job
    def summing() -> None:
        use()

    return summing


def ray_processes() -> dict[int, str]:
    """Return the names of the processes below this one, by pid."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "stat").read_text() if entry.name.isdigit() else ""
        except OSError:  # it has just ended
            continue
        if line:
            names[int(entry.name)] = line[line.index("(") + 1 : line.rindex(")")]
            parents[int(entry.name)] = int(line[line.rindex(")") + 2 :].split()[1])
    mine = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return {pid: names[pid] for pid in mine}


def own_memory(pid: int) -> int:
    """Return the bytes of a process that it shares with no other."""
    size, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
    return (int(size) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def run_summing(execute_on_ray: Execute, value: float) -> int:
    result = execute_on_ray(summing_job(value))
    assert result.success
    total, pid = result.output_for_node("use")
    del result
    gc.collect()  # a run and its job are circles
    assert total == value * (8 * FLOATS_IN_MIB - 1)
    return int(pid)


@pytest.mark.long("measures memory over a dozen runs")
def test_each_run_frees_the_data_of_its_code(execute_on_ray: Execute) -> None:
    import ray

    workers = {run_summing(execute_on_ray, value) for value in (1, 2, 3)}
    [gcs] = [pid for pid, name in ray_processes().items() if name.startswith("gcs_server")]
    watched = [os.getpid(), gcs, *workers]
    before = [own_memory(pid) for pid in watched]
    free = ray.available_resources()["object_store_memory"]
    for value in range(4, 12):
        run_summing(execute_on_ray, value)
    grown = [(own_memory(pid) - had) / MIB for pid, had in zip(watched, before, strict=True)]
    assert max(grown) < 40, f"driver, GCS and workers grew by {grown} MiB in 8 runs of 8 MiB"
    until = 200
    while ray.available_resources()["object_store_memory"] < free - 2 * MIB and (
        until := until - 1
    ):
        subprocess.run(["sleep", "0.05"], check=True)
    assert until, "objects of code stay in the store"


def test_a_result_that_stays_does_not_hold_the_code(execute_on_ray: Execute) -> None:
    before = len(shipped_code._SHIPPED)
    results = [execute_on_ray(summing_job(value, mib=1)) for value in (1, 2, 3)]
    gc.collect()
    assert len(shipped_code._SHIPPED) == before
    assert all(result.success for result in results)


def test_runs_of_the_same_code_share_it(ray_session: None) -> None:
    spec = prepare(summing_job(1.0, mib=1))
    one, other = (shipped_code.ship_code(spec, None) for _ in range(2))
    assert one is other


def test_code_of_moderate_size_is_stored_once_for_runs_one_after_another(
    execute_on_ray: Execute,
) -> None:
    text = "x" * 50_000

    @op
    def measure() -> int:
        return len(text)

    @job
    def measuring() -> None:
        measure()

    stored = []
    for _ in range(2):
        assert execute_on_ray(measuring).output_for_node("measure") == 50_000
        gc.collect()
        [reference] = shipped_code.ship_code(prepare(measuring), None).argument[1]
        stored.append(reference.hex())  # type: ignore[union-attr]  # a list, and no bytes
        del reference
    assert stored[0] == stored[1]


def test_all_jobs_use_the_same_few_functions_of_ray(execute_on_ray: Execute) -> None:
    for value in (1, 2, 3):
        run_summing(execute_on_ray, value)
    assert len(exported_tasks._EXPORTED) <= 4


@pytest.mark.parametrize(
    "isolation",
    ["none", pytest.param("process", marks=pytest.mark.long("starts a process for each step"))],
)
def test_every_kind_of_task_gets_large_code(execute_on_ray: Execute, isolation: str) -> None:
    data = np.full(FLOATS_IN_MIB, 2.0)

    @resource
    def base() -> float:
        return float(data[0])

    @op(out=DynamicOut(stream=True), required_resource_keys={"base"})
    def produce(context: Any) -> Iterator[Any]:
        for index in range(2):
            yield DynamicOutput(context.resources.base + index, f"k{index}")

    @op
    def take(value: float) -> float:
        return value + float(data[-1])

    @job(resource_defs={"base": base})
    def kinds() -> None:
        produce().map(take)

    config = {"execution": {"config": {"ray": {"isolation": isolation}}}}
    result = execute_on_ray(kinds, None if isolation == "none" else config)
    assert result.output_for_node("take") == {"k0": 4.0, "k1": 5.0}


def test_a_run_says_which_variable_of_which_op_makes_its_code_large(
    execute_on_ray: Execute,
) -> None:
    result = execute_on_ray(summing_job(1.0, mib=11))
    [message] = [
        event.message for event in result.all_events if "The job's code has" in event.message
    ]
    assert "op 'use' has 11.0 MiB in the variable 'data'" in message
    assert "as an input, or load it in a resource" in message


def test_the_variable_is_named_wherever_an_op_uses_it() -> None:
    hidden = np.zeros(FLOATS_IN_MIB)

    def helper() -> float:
        return float(hidden[0])

    rows = np.zeros(FLOATS_IN_MIB)

    class Reader:
        def read(self) -> float:
            return sum(float(rows[index]) for index in range(3))

    @op
    def by_helper() -> float:
        return helper()

    @op
    def by_class() -> float:
        return Reader().read()

    @op
    def by_default(table: Any = np.ones(FLOATS_IN_MIB)) -> float:  # noqa: B008
        return float(table[0])

    @op
    def small() -> int:
        return 1

    @job
    def mixed() -> None:
        by_helper()
        by_class()
        by_default()
        small()

    spec = prepare(mixed)
    words = describe_large_parts(spec.plan, spec.resources)
    assert "op 'by_helper' has 1.0 MiB in the variable 'hidden'" in words
    assert "'small'" not in words
    assert "op 'by_default' has 1.0 MiB in the variable 'table'" in words
    assert "op 'by_class' has 1.0 MiB in the variable 'rows'" in words


def test_code_that_is_too_large_for_ray_is_an_error_that_names_the_variable(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def full(value: Any) -> None:  # Ray falls back to the disk, so that this needs a full one
        raise ray.exceptions.OutOfDiskError

    monkeypatch.setattr(ray, "put", full)
    with pytest.raises(DefinitionError, match="too large for Ray's object store") as raised:
        summing_job(1.0, mib=3).execute()
    assert "with 3.0 MiB: op 'use' has 3.0 MiB in the variable 'data'" in str(raised.value)


@pytest.mark.long("copies 100 MB to workers")
def test_code_of_more_than_ray_exports_runs(execute_on_ray: Execute) -> None:
    assert execute_on_ray(summing_job(1.0, mib=104)).success


def test_a_worker_keeps_code_within_bounds() -> None:
    cache, code = CodeCache(), Code((), (), {}, FreshDefaults(()))

    def add(digest: str, size: int) -> None:
        cache.make_room(size)
        cache.add(digest, code, size)

    for index in range(100):
        add(f"small {index}", 1000)
    assert len(cache) == 64
    assert cache["small 40"] is code  # used again, so that others go first
    for index in range(100, 150):
        add(f"small {index}", 1000)
    assert "small 40" in cache
    add("large", 20 * MIB)
    assert "large" in cache
    add("another", 20 * MIB)
    assert "large" not in cache
    assert "another" in cache
    assert len(cache) <= 2
