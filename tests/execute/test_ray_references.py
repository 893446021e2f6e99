"""References of Ray in outputs: they reach the next step, and their objects go with the outputs."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rayexec import (
    DynamicOut,
    DynamicOutput,
    JobDefinition,
    RunResult,
    job,
    op,
)
from rayexec.engine.packed_values import Packed, is_lasting, pack, unpack

Execute = Callable[..., RunResult]

MIB = 2**20


def free_bytes() -> float:
    import ray

    return float(ray.available_resources()["object_store_memory"])


def wait_for_free(least: float) -> None:
    ends = time.monotonic() + 20
    while free_bytes() < least:
        assert time.monotonic() < ends, f"{(least - free_bytes()) / MIB} MiB stay in the store"
        time.sleep(0.05)


def run(execute_on_ray: Execute, made: JobDefinition, **outputs: Any) -> None:
    result = execute_on_ray(made)
    assert result.success, [event.message for event in result.get_step_failure_events()]
    for name, value in outputs.items():
        assert result.output_for_node(name) == value
    del result
    gc.collect()


@op
def put() -> Any:
    import ray

    return ray.put(np.zeros(20 * MIB // 8))


@op
def put_some() -> Any:
    import ray

    data = np.ones(5 * MIB // 8)
    return {"rows": [ray.put(data), ray.put(data)], "name": "two", "data": data}


@op
def count(ref: Any) -> float:
    import ray

    return float(len(ray.get(ref)))


@op
def total(found: Any) -> float:
    import ray

    return float(sum(ray.get(ref).sum() for ref in found["rows"]) + found["data"].sum())


@op(out=DynamicOut(stream=True))
def put_streamed() -> Iterator[Any]:
    import ray

    for index in range(3):
        yield DynamicOutput(ray.put(np.full(5 * MIB // 8, index)), f"k{index}")


@op
def first(ref: Any) -> int:
    import ray

    return int(ray.get(ref)[0])


@job
def referring() -> None:
    ref = put()
    count(ref)
    count.alias("again")(ref)
    total(put_some())
    put_streamed().map(first)


@pytest.mark.long("waits for Ray to free objects")
def test_objects_of_returned_references_go_with_the_run(execute_on_ray: Execute) -> None:
    expected = {
        "count": 20 * MIB / 8,
        "again": 20 * MIB / 8,
        "total": 3 * 5 * MIB / 8,
        "first": {"k0": 0, "k1": 1, "k2": 2},
    }
    run(execute_on_ray, referring, **expected)  # what Ray itself takes at first
    before = free_bytes()
    for _ in range(3):
        run(execute_on_ray, referring, **expected)
    wait_for_free(before - 5 * MIB)


def test_a_result_hands_out_references_that_lead_to_their_objects(execute_on_ray: Execute) -> None:
    import ray

    @job
    def putting() -> None:
        put_some()

    result = execute_on_ray(putting)
    found = result.output_for_node("put_some")
    del result
    gc.collect()
    assert [float(ray.get(ref).sum()) for ref in found["rows"]] == [5 * MIB / 8] * 2
    assert found["name"] == "two"


def test_an_actor_lives_as_long_as_outputs_with_its_handle(execute_on_ray: Execute) -> None:
    import ray

    @op
    def start() -> Any:
        class Counter:
            def __init__(self) -> None:
                self.count = 0

            def add(self) -> int:
                self.count += 1
                return self.count

        return ray.remote(num_cpus=0)(Counter).remote()

    @op
    def add(counter: Any, before: int = 0) -> int:
        return int(ray.get(counter.add.remote())) + before

    @job
    def counting() -> None:
        counter = start()
        add.alias("second")(counter, add(counter))

    result = execute_on_ray(counting)
    assert result.output_for_node("second") == 3
    counter = result.output_for_node("start")
    assert ray.get(counter.add.remote()) == 3
    del result, counter
    gc.collect()


def test_a_value_with_a_reference_is_no_value_for_another_run(ray_session: None) -> None:
    import ray

    ref = ray.put(1)
    packed = pack([ref, "small"], "the output")
    assert isinstance(packed, Packed)
    assert packed.refs == (ref,)
    assert not is_lasting(packed)
    assert unpack(packed) == [ref, "small"]
    assert isinstance(pack(["small"], "the output"), bytes)


def test_values_inside_of_values_have_their_own_references(ray_session: None) -> None:
    import ray

    one, two = ray.put(1), ray.put(2)

    class Nested:
        """Packs another value in the middle of its own pickle."""

        def __init__(self) -> None:
            self.inner = two

        def __reduce__(self) -> Any:
            return unpack, (pack([self.inner], "inner"),)

    packed = pack([one, Nested(), one], "outer")
    assert unpack(packed) == [one, [two], one]


def test_an_op_with_references_is_not_cached(execute_on_ray: Execute) -> None:
    @op(cache=True, code_version="1")
    def put_cached() -> Any:
        import ray

        return ray.put(1)

    @op
    def read(ref: Any) -> int:
        import ray

        return int(ray.get(ref))

    @job
    def cached() -> None:
        read(put_cached())

    for _ in range(2):
        result = execute_on_ray(cached)
        assert result.success
        assert not result.reused
        assert result.output_for_node("read") == 1


@pytest.mark.parametrize("size", [10, 100_000])
def test_values_without_references_pack_as_before(size: int) -> None:
    value = {"data": np.arange(size), "names": ["a"], "fn": lambda: 3}
    loaded = unpack(pack(value, "the output"))
    assert loaded["data"].tolist() == list(range(size))
    assert loaded["fn"]() == 3
