"""Arrays and tables between steps on Ray: not copied, read-only, in any number."""

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray

from rayexec import In, InvariantError, Out, Output, RetryRequested, RunResult, job, op

MILLION = 1_000_000  # bytes or numbers; well above what travels inside an answer


@op
def array(context: Any) -> Any:
    return np.full(MILLION, float(context.retry_number), dtype=np.float64)


@op
def table() -> Any:
    return pa.table({"n": np.arange(MILLION), "half": np.arange(MILLION) / 2})


@op
def describe(value: Any) -> dict[str, Any]:
    return {
        "writeable": value.flags.writeable,
        "owned": value.flags.owndata,
        "sum": float(value.sum()),
    }


def test_arrays_arrive_read_only_and_uncopied(execute_on_ray: Any) -> None:
    @job
    def arrays() -> None:
        describe(array())

    result: RunResult = execute_on_ray(arrays)
    assert result.output_for_node("describe") == {"writeable": False, "owned": False, "sum": 0.0}
    here = result.output_for_node("array")
    assert here.shape == (MILLION,)
    assert not here.flags.writeable


def test_writing_to_a_shared_array_is_an_error_and_copies_are_free(execute_on_ray: Any) -> None:
    @op
    def write(value: Any) -> None:
        value[0] = 1

    @op
    def copy_and_write(value: Any) -> float:
        mine = value.copy()
        mine[0] = 5
        return float(mine[0] + value[0])

    @job
    def writing() -> None:
        made = array()
        write(made)
        copy_and_write(made)

    result = execute_on_ray(writing)
    assert "read-only" in result.failure_data_for_node("write").root.message
    assert result.output_for_node("copy_and_write") == 5.0


def test_arrow_tables_pass_without_a_copy(execute_on_ray: Any) -> None:
    @op
    def allocated(value: Any) -> tuple[int, int]:
        return pa.total_allocated_bytes(), value.nbytes

    @job
    def tables() -> None:
        allocated(table())

    result = execute_on_ray(tables)
    held, size = result.output_for_node("allocated")
    assert size >= 16 * MILLION
    assert held < size / 2  # the worker reads the columns where the object store has them
    assert result.output_for_node("table").column("half")[4].as_py() == 2.0


def test_several_large_inputs_and_the_same_one_twice(execute_on_ray: Any) -> None:
    @op
    def join(left: Any, right: Any, again: Any, small: int) -> list[Any]:
        return [float(left[0]), float(right[0]), float(again[0]), small]

    @op
    def other() -> Any:
        return np.full(MILLION, 7.0)

    @op
    def small() -> int:
        return 3

    @job
    def joining() -> None:
        left = array()
        join(left, other(), left, small())

    assert execute_on_ray(joining).output_for_node("join") == [0.0, 7.0, 0.0, 3]


def test_a_fan_in_of_large_and_small_values_keeps_its_order(execute_on_ray: Any) -> None:
    @op
    def numbered(context: Any) -> Any:
        number = int(context.op_handle.name.rpartition("_")[2])
        return np.full(MILLION if number % 2 else 3, number)

    @op
    def firsts(values: list[Any]) -> list[int]:
        return [int(each[0]) for each in values]

    @job
    def wide() -> None:
        made = [numbered.alias(f"n_{number}")() for number in range(8)]
        firsts([*made, made[1], made[0]])

    assert execute_on_ray(wide).output_for_node("firsts") == [0, 1, 2, 3, 4, 5, 6, 7, 1, 0]


def test_several_large_outputs_and_one_left_out(execute_on_ray: Any) -> None:
    @op(out={"a": Out(), "b": Out(), "c": Out(is_required=False), "d": Out()})
    def split() -> Any:
        yield Output(np.full(MILLION, 4.0), "d")
        yield Output(np.full(MILLION, 1.0), "a")
        yield Output(2.0, "b")

    @op
    def first(value: Any) -> float:
        return float(value[0])

    @op
    def double(value: Any) -> float:
        return float(value * 2)

    @job
    def splitting() -> None:
        a, b, c, d = split()
        first.alias("of_a")(a)
        double.alias("of_b")(b)
        first.alias("of_c")(c)
        first.alias("of_d")(d)

    result = execute_on_ray(splitting)
    assert [result.output_for_node(key) for key in ("of_a", "of_b", "of_d")] == [1.0, 4.0, 4.0]
    assert result.is_node_skipped("of_c")
    assert result.output_for_node("split", "d")[5] == 4.0


def test_large_outputs_of_an_attempt_that_failed_are_replaced(execute_on_ray: Any) -> None:
    @op(out={"a": Out(), "b": Out()})
    def twice(context: Any) -> Any:
        yield Output(np.full(MILLION, context.retry_number), "a")
        if context.retry_number == 0:
            raise RetryRequested
        yield Output(np.full(MILLION, 9), "b")

    @op
    def firsts(values: list[Any]) -> list[int]:
        return [int(each[0]) for each in values]

    @job
    def retrying() -> None:
        firsts(list(twice()))

    assert execute_on_ray(retrying).output_for_node("firsts") == [1, 9]


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"x" * (MILLION + 1),
        lambda: "y" * (MILLION + 1),
        lambda: bytearray(b"z" * MILLION),
        lambda: list(range(200_000)),
        lambda: {"nested": [np.ones(MILLION), {"deep": np.zeros(3)}]},
        lambda: b"",
        lambda: "x" * 65_520,  # about the size at which values leave the answer
        lambda: "x" * 65_530,
    ],
)
def test_large_values_of_every_kind_come_out_as_they_went_in(
    execute_on_ray: Any, make: Any
) -> None:
    @op
    def give() -> Any:
        return make()

    @op
    def size(value: Any) -> str:
        return f"{type(value).__name__} {len(value)}"

    @job
    def passing() -> None:
        size(give())

    result = execute_on_ray(passing)
    expected = make()
    assert result.output_for_node("size") == f"{type(expected).__name__} {len(expected)}"
    found = result.output_for_node("give")
    if isinstance(expected, dict):
        assert np.array_equal(found["nested"][0], expected["nested"][0])
    else:
        assert found == expected


def test_large_values_given_to_the_job_are_stored_once(execute_on_ray: Any) -> None:
    @op(ins={"value": In()})
    def first(value: Any) -> tuple[float, bool]:
        return float(value[0]), bool(value.flags.writeable)

    @op
    def all_of(values: list[Any]) -> int:
        return sum(len(each) for each in values)

    @job
    def takes(value: Any) -> None:
        first.alias("one")(value)
        first.alias("two")(value)
        all_of([value, array()])

    result = execute_on_ray(takes, input_values={"value": np.full(MILLION, 3.0)})
    assert result.output_for_node("one") == result.output_for_node("two") == (3.0, False)
    assert result.output_for_node("all_of") == 2 * MILLION


def test_values_stay_readable_after_other_runs(execute_on_ray: Any) -> None:
    @job
    def arrays() -> None:
        array()

    results = [execute_on_ray(arrays) for _ in range(3)]
    assert [float(each.output_for_node("array").sum()) for each in results] == [0.0] * 3


@op
def block(before: Any) -> Any:
    return np.ones(5 * MILLION)  # 40 MB


def six_blocks() -> Any:
    @job
    def blocks() -> None:
        value = array()
        for _ in range(6):
            value = block(value)
        describe(value)

    return blocks


def stored() -> float:
    """Return the megabytes in Ray's object store."""
    name = "object_store_memory"
    return float(ray.cluster_resources()[name] - ray.available_resources().get(name, 0)) / MILLION


def settled() -> float:
    """Return the same once the leftovers of earlier tests are gone: once it stays the same."""
    gc.collect()
    known, since = stored(), time.monotonic()
    while time.monotonic() - since < 1.5:
        time.sleep(0.1)
        now = stored()
        if now != known:
            known, since = now, time.monotonic()
    return known


def eventually(met: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 120
    while not met() and time.monotonic() < deadline:
        time.sleep(0.1)  # Ray tells of its memory now and then
    return met()


@pytest.mark.long("waits for processes for some seconds")
def test_outputs_go_as_soon_as_the_steps_that_take_them_have(execute_on_ray: Any) -> None:
    before = settled()
    kept = execute_on_ray(six_blocks())
    assert eventually(lambda: stored() > before + 200)
    assert kept.output_for_node("block_2").sum() == 5 * MILLION
    kept.close()
    assert eventually(lambda: stored() < before + 50)
    with pytest.raises(InvariantError, match=r"'block_2' is not available: the result was closed"):
        kept.output_for_node("block_2")

    leaves = execute_on_ray(six_blocks(), keep_outputs="leaves")
    assert leaves.output_for_node("describe")["sum"] == 5 * MILLION
    assert eventually(lambda: stored() < before + 50)
    with pytest.raises(
        InvariantError,
        match=r"'result' from node 'block_2' is not available: keep_outputs released it",
    ):
        leaves.output_for_node("block_2")


def test_a_failure_keeps_what_it_needs(execute_on_ray: Any) -> None:
    @op
    def fails(value: Any) -> None:
        raise ValueError("no")

    @op
    def pick(value: Any) -> int:
        return 1

    @job
    def half() -> None:
        made = array()
        fails(made)
        pick(array.alias("other")())

    result = execute_on_ray(half, keep_outputs="none")
    assert result.get_failed_step_keys() == {"fails"}
    assert result.output_for_node("array").shape == (MILLION,)
    for gone in ("other", "pick"):
        with pytest.raises(InvariantError, match="is not available"):
            result.output_for_node(gone)


def test_a_result_in_a_with_block_is_closed_at_its_end(execute: Any) -> None:
    @job
    def one() -> None:
        array()

    with execute(one) as result:
        assert result.output_for_node("array").shape == (MILLION,)
    assert result.success
    with pytest.raises(InvariantError, match="the result was closed"):
        result.output_for_node("array")
