"""Mapped steps and their op: context, config, tags, limits, hooks, resources, large values."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayexec import (
    Config,
    ConfigError,
    DynamicOut,
    DynamicOutput,
    HookContext,
    In,
    InvariantError,
    Nothing,
    OpExecutionContext,
    failure_hook,
    graph,
    job,
    op,
    resource,
    success_hook,
)

LARGE = 20_000  # numbers of 8 bytes: more than travels within an answer


@op(out=DynamicOut(int))
def numbers() -> Iterator[DynamicOutput[int]]:
    for number in range(3):
        yield DynamicOutput(number, f"k{number}")


@op
def listed(values: list[Any]) -> list[Any]:
    return values


@op
def inc(n: int) -> int:
    return n + 1


def test_a_mapped_step_knows_its_keys(execute: Any) -> None:
    @op(out=DynamicOut())
    def keys(context: OpExecutionContext, value: Any) -> list[Any]:
        return [(context.get_mapping_key(), context.mapping_keys), 5]

    @op
    def key(context: OpExecutionContext, value: Any) -> Any:
        return (
            context.step_key,
            context.get_mapping_key(),
            context.mapping_keys,
            context.op_handle.name,
        )

    @graph
    def part(value: Any) -> Any:
        return key(value)

    @job
    def known() -> None:
        values = numbers()
        below = values.map(keys)
        below.map(key)
        values.map(part)
        key.alias("of_all")(values.collect())

    result = execute(known)
    assert result.output_for_node("keys")["k1,0"] == ("k1", ("k1",))
    assert result.output_for_node("key")["k2,1"] == ("key[k2,1]", "1", ("k2", "1"), "key")
    assert result.output_for_node("part.key")["k0"] == ("part.key[k0]", "k0", ("k0",), "key")
    assert result.output_for_node("of_all") == ("of_all", None, (), "of_all")


def test_events_tell_the_mapping_key_and_the_metadata_of_each_value(execute: Any) -> None:
    @op(out=DynamicOut(int))
    def told(context: OpExecutionContext) -> Iterator[DynamicOutput[int]]:
        context.add_output_metadata({"late": True}, mapping_key="a")
        yield DynamicOutput(1, "a", metadata={"rows": 10})
        yield DynamicOutput(2, "b")

    @job
    def events() -> None:
        told().map(inc)

    result = execute(events)
    outputs = [
        event for event in result.events_for_node("told") if event.event_type_value == "STEP_OUTPUT"
    ]
    assert [
        (
            event.step_output_data.output_name,
            event.step_output_data.mapping_key,
            {name: value.value for name, value in event.step_output_data.metadata.items()},
        )
        for event in outputs
    ] == [("result", "a", {"rows": 10, "late": True}), ("result", "b", {})]
    assert 'with mapping key "b"' in outputs[1].message
    (mapped,) = [
        event
        for event in result.events_for_node("inc[b]")
        if event.event_type_value == "STEP_OUTPUT"
    ]
    assert mapped.step_output_data.mapping_key is None
    assert {event.step_key for event in result.events_for_node("inc")} == {"inc[a]", "inc[b]"}
    assert {event.step_key for event in result.events_for_node("inc[b]")} == {"inc[b]"}


def test_all_mapped_steps_get_their_nodes_config(execute: Any) -> None:
    class Factor(Config):
        factor: int

    @op
    def times(config: Factor, n: int) -> int:
        return config.factor * n

    @op(config_schema={"by": int})
    def more(context: OpExecutionContext, n: int) -> int:
        return n + int(context.op_config["by"])

    @graph
    def part(n: Any) -> Any:
        return more(n)

    @job
    def configured() -> None:
        numbers().map(times).map(part)

    config = {
        "ops": {
            "times": {"config": {"factor": 10}},
            "part": {"ops": {"more": {"config": {"by": 1}}}},
        }
    }
    result = execute(configured, config)
    assert result.output_for_node("times") == {"k0": 0, "k1": 10, "k2": 20}
    assert result.output_for_node("part") == {"k0": 1, "k1": 11, "k2": 21}
    with pytest.raises(ConfigError, match="times"):
        execute(configured, {"ops": {"part": config["ops"]["part"]}})


def test_mapped_steps_take_values_and_none_from_outside(execute: Any) -> None:
    @op
    def prepare() -> int:
        return 100

    @op(ins={"after": In(Nothing)})
    def work(n: int, base: int, factor: int = 2) -> int:
        return base + factor * n

    @op(out=DynamicOut(Nothing))
    def signals() -> Iterator[DynamicOutput[None]]:
        yield DynamicOutput(None, "a")
        yield DynamicOutput(None, "b")

    @op(ins={"after": In(Nothing)})
    def answer(context: OpExecutionContext) -> str | None:
        return context.get_mapping_key()

    @job
    def outside() -> None:
        base = prepare()
        numbers().map(lambda n: work(n, base, after=prepare.alias("first")()))
        listed(signals().map(answer).collect())

    result = execute(outside)
    assert result.output_for_node("work") == {"k0": 100, "k1": 102, "k2": 104}
    assert result.output_for_node("listed") == ["a", "b"]
    assert (
        result.output_for_node("first") == 100
    )  # it does not depend on what is mapped, and runs once


def test_mapped_steps_have_resources_and_hooks(execute: Any, tmp_path: Path) -> None:
    notes = str(tmp_path / "notes")

    def note(text: str) -> None:
        with open(notes, "a") as file:
            file.write(text + "\n")

    @success_hook
    def on_success(context: HookContext) -> None:
        note(f"{context.step_key} {context.op_output_values}")

    @failure_hook
    def on_failure(context: HookContext) -> None:
        note(f"{context.step_key} {context.op_exception}")

    @resource
    def base(_: Any) -> int:
        return 100

    @op(required_resource_keys={"base"})
    def work(context: OpExecutionContext, n: int) -> int:
        if n == 1:
            raise ValueError("one")
        return int(context.resources.base) + n

    @job(hooks={on_success, on_failure}, resource_defs={"base": base})
    def equipped() -> None:
        numbers().map(work)

    result = execute(equipped)
    assert sorted(Path(notes).read_text().splitlines()) == [
        "numbers {'result': {'k0': 0, 'k1': 1, 'k2': 2}}",
        "work[k0] {'result': 100}",
        "work[k1] one",
        "work[k2] {'result': 102}",
    ]
    assert result.output_for_node("work") == {"k0": 100, "k2": 102}


def test_limits_hold_for_mapped_steps(execute_on_ray: Any, tmp_path: Path) -> None:
    directory = str(tmp_path)

    @op
    def stay(context: OpExecutionContext, n: int) -> int:
        mine = Path(directory, f"{n}")
        mine.touch()
        seen = [len(os.listdir(directory))]
        time.sleep(0.05)  # so that others would overlap it if they could
        seen.append(len(os.listdir(directory)))
        mine.unlink()
        return max(seen)

    @job
    def crowded() -> None:
        listed(numbers().map(stay.tag({"database": "redshift"})).collect())

    limits = [{"key": "database", "value": "redshift", "limit": 1}]
    settings = {"max_concurrent": 4, "tag_concurrency_limits": limits}
    result = execute_on_ray(crowded, {"execution": {"config": {"multiprocess": settings}}})
    assert result.output_for_node("listed") == [1, 1, 1]
    result = execute_on_ray(
        crowded, {"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}}
    )
    assert result.output_for_node("listed") == [1, 1, 1]


@op(out=DynamicOut())
def blocks() -> Iterator[DynamicOutput[Any]]:
    for number in range(3):
        yield DynamicOutput(np.full(LARGE, number), f"b{number}")


@op
def double(block: Any) -> Any:
    return block * 2


@op
def sums(blocks: list[Any]) -> list[int]:
    return [int(block.sum()) for block in blocks]


@job
def large() -> None:
    sums(blocks().map(double).collect())


def test_large_values_are_mapped_and_collected(execute: Any) -> None:
    result = execute(large)
    assert result.output_for_node("sums") == [0, 2 * LARGE, 4 * LARGE]
    assert {key: int(block[-1]) for key, block in result.output_for_node("blocks").items()} == {
        "b0": 0,
        "b1": 1,
        "b2": 2,
    }
    assert result.output_for_node("double[b2]")[0] == 4


def test_what_is_not_kept_is_there_for_all_that_take_it(execute_on_ray: Any) -> None:
    leaves = execute_on_ray(large, keep_outputs="leaves")
    assert leaves.output_for_node("sums") == [0, 2 * LARGE, 4 * LARGE]
    nothing = execute_on_ray(large, keep_outputs="none")
    assert nothing.success
    for result, gone in [
        (leaves, "blocks"),
        (leaves, "double"),
        (nothing, "blocks"),
        (nothing, "sums"),
    ]:
        with pytest.raises(InvariantError, match=r"is not available: keep_outputs released it"):
            result.output_for_node(gone)


def test_what_mapped_steps_take_from_outside_stays_until_they_are_over(execute_on_ray: Any) -> None:
    @op
    def base() -> Any:
        return np.full(LARGE, 5)

    @op(out=DynamicOut())
    def blocks_after(base: Any) -> list[Any]:
        return [base * number for number in range(2)]

    @op
    def combined(block: Any, base: Any, other: Any) -> int:
        return int(block[0] + base[0] + other[0])

    @job
    def outside() -> None:
        first, other = base(), base.alias("other")()
        listed(blocks_after(first).map(lambda block: combined(block, first, other)).collect())

    result = execute_on_ray(outside, keep_outputs="leaves")
    assert result.output_for_node("listed") == [10, 15]
    with pytest.raises(InvariantError, match="is not available"):
        result.output_for_node("other")


def test_runs_of_one_job_grow_each_by_itself(execute: Any) -> None:
    class Count(Config):
        count: int

    @op(out=DynamicOut(int))
    def counted(config: Count) -> list[int]:
        return list(range(config.count))

    @op(out=DynamicOut(str))
    def below(n: int) -> list[str]:
        return [str(n)] * n

    @op
    def size(lists: list[Any]) -> list[int]:
        return [len(each) for each in lists]

    @job
    def grown() -> None:
        size(counted().map(below).collect().collect())

    def run(count: int) -> Any:
        return execute(grown, {"ops": {"counted": {"config": {"count": count}}}})

    results = {count: run(count) for count in (3, 0, 5, 3)}
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, [4, 1, 0, 6]))
    for count, result in [*results.items(), *zip([4, 1, 0, 6], together, strict=True)]:
        assert result.success
        assert result.output_for_node("size") == list(range(count))
        keys = [event.step_key for event in result.get_step_success_events()]
        assert sorted(keys) == sorted(
            ["counted", "size", *(f"below[{each}]" for each in range(count))]
        )
