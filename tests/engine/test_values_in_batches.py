"""Values of steps are the same however the steps were put together into batches."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from grouped_batches import run_grouped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayexec import In, JobDefinition, Out, Output, execute_job, job, op

SINGLY = [1]
TOGETHER = [1000]


def seen(value: Any) -> str:
    """Describe a value: type, content, whether it can be written, members that are one object."""
    if isinstance(value, np.ndarray):
        return f"array {value.sum()} {value.size} {value.flags.writeable}"
    if isinstance(value, pa.Table):
        return f"table {value.to_pydict()}"
    if isinstance(value, dict):
        return f"dict {[(key, seen(each)) for key, each in value.items()]}"
    if isinstance(value, (list, tuple)):
        if len(value) > 100:
            return f"{type(value).__name__} {value!r}"
        firsts = [next(i for i, other in enumerate(value) if other is each) for each in value]
        return f"{type(value).__name__} {[seen(each) for each in value]} {firsts}"
    return f"{type(value).__name__} {value!r}"


def shortly(value: Any) -> str:
    """Describe a value by a digest, so that a description of descriptions stays short."""
    return hashlib.sha256(seen(value).encode()).hexdigest()


def change(value: Any) -> None:
    """Change a value in place, where that is possible."""
    if isinstance(value, np.ndarray):
        if value.flags.writeable:
            value += 1
    elif isinstance(value, bytearray):
        value += b"!"
    elif isinstance(value, list):
        for each in value[:4]:
            change(each)
        value.append(len(value))
    elif isinstance(value, tuple):
        for each in value:
            change(each)
    elif isinstance(value, dict):
        for each in value.values():
            change(each)
        value[len(value)] = "more"


MAKERS: dict[str, Callable[[], Any]] = {
    "list": lambda: [1, 2, 3],
    "nested": lambda: {"rows": [[1], [2]], "pair": ([3], 4)},
    "aliased": lambda: [(shared := [1]), shared],
    "tuple": lambda: (1, "two", (3.0, None)),
    "tuple of lists": lambda: ([1], [2]),
    "bytearray": lambda: bytearray(b"bytes"),
    "int": lambda: 7,
    "long int": lambda: 10**30,
    "str": lambda: "text",
    "bytes": lambda: b"bytes",
    "pickle": lambda: b"\x80\x05K\x01.",  # bytes that are a pickle stay bytes
    "none": lambda: None,
    "array": lambda: np.arange(4.0),
    "read-only array": lambda: np.frombuffer(b"12345678", dtype="u1"),
    "large array": lambda: np.arange(20_000.0),
    "large list": lambda: ["a" * 70_000],
}


def make_source(kind: str, *, changes_later: bool, name: str) -> Any:
    make = MAKERS[kind]
    if not changes_later:

        @op(name=name)
        def returned() -> Any:
            return make()

        return returned

    @op(name=name)
    def yielded() -> Iterator[Output[Any]]:
        value = make()
        yield Output(value)
        change(value)

    return yielded


def make_step(behaviour: str, count: int, name: str, kept: list[Any]) -> Any:
    """Return an op of ``count`` inputs, with two outputs: what it saw, and something to pass on.

    ``kept`` is a buffer that ops of the job reuse.
    """
    ins = {f"in_{index}": In() for index in range(count)}
    out = {"saw": Out(), "result": Out()}

    if behaviour == "plain":

        @op(name=name, ins=ins)
        def plainly(**values: Any) -> Any:
            given = list(values.values())
            what = shortly(given)
            for value in given:
                change(value)
            return [what, *given]

        return plainly

    if behaviour == "first":

        @op(name=name, ins=ins)
        def first(**values: Any) -> Any:
            value = values["in_0"]
            change(value)
            return value

        return first

    @op(name=name, ins=ins, out=out)
    def general(context: Any, **values: Any) -> Iterator[Output[Any]]:
        given = list(values.values())
        yield Output(shortly(given), "saw")
        if behaviour == "change inputs":
            change(given)
        if behaviour == "keep":
            change(kept)
            kept.clear()
            kept.extend(given)
            yield Output(kept, "result")
        else:
            yield Output(given[0] if len(given) == 1 else given, "result")
        if behaviour == "change outputs":
            change(given)

    return general


BEHAVIOURS = ("plain", "first", "change inputs", "change outputs", "keep", "pass on")


# Kinds of sources, each with whether it changes its value later; then steps of a behaviour, each
# with its inputs among all earlier steps, and whether it takes from the step before alone.
SOURCES = st.lists(
    st.tuples(st.sampled_from(sorted(MAKERS)), st.booleans()), min_size=1, max_size=3
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(BEHAVIOURS),
        st.lists(st.integers(0, 30), min_size=1, max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def make_job(
    sources: list[tuple[str, bool]], steps: list[tuple[str, list[int], bool]]
) -> JobDefinition:
    """Return a job of chains, forks and joins of ops that change their inputs and outputs."""
    kept: list[Any] = []

    @job
    def changing() -> None:
        handles: list[Any] = [
            make_source(kind, changes_later=later, name=f"source_{index}")()
            for index, (kind, later) in enumerate(sources)
        ]
        for index, (behaviour, choices, is_chained) in enumerate(steps):
            taken = [handles[choice % len(handles)] for choice in choices]
            if is_chained:
                taken = [handles[-1]]
            made = make_step(behaviour, len(taken), f"step_{index}", kept)(
                **{f"in_{position}": handle for position, handle in enumerate(taken)}
            )
            handles.append(made if behaviour in ("plain", "first") else made.result)

    return changing


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sources=SOURCES, steps=STEPS, groups=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_ops_that_change_their_values_get_the_same_in_any_grouping(
    sources: list[tuple[str, bool]],
    steps: list[tuple[str, list[int], bool]],
    groups: list[int],
    tmp_path: Path,
) -> None:
    singly, grouped, together = (
        {
            key: seen(value)
            for key, value in run_grouped(make_job(sources, steps), sizes, tmp_path).items()
        }
        for sizes in (SINGLY, groups, TOGETHER)
    )
    assert singly == grouped == together


def grouped(made: JobDefinition, tmp_path: Path, output: str) -> Any:
    """Return an output of a job; assert that it is the same with steps singly and together."""
    singly, together = (
        run_grouped(made, groups, tmp_path)[output] for groups in (SINGLY, TOGETHER)
    )
    assert seen(singly) == seen(together)
    return together


@op
def count(rows: Any) -> int:
    return len(rows)


def test_what_an_op_changes_after_its_yield_does_not_count(tmp_path: Path) -> None:
    @op
    def load() -> Iterator[Output[list[int]]]:
        rows = [1, 2, 3]
        yield Output(rows)
        rows.clear()

    @job
    def cleared() -> None:
        count(load())

    assert grouped(cleared, tmp_path, "count.result") == 3


def test_two_outputs_of_one_buffer_are_two_values(tmp_path: Path) -> None:
    @op(out={"a": Out(), "b": Out()})
    def buffered() -> Iterator[Output[list[int]]]:
        buffer: list[int] = []
        yield Output(buffer, "a")
        buffer.append(1)
        yield Output(buffer, "b")

    @op
    def both(a: list[int], b: list[int]) -> Any:
        return a, b, a is b

    @job
    def from_one_buffer() -> None:
        both(*buffered())

    assert grouped(from_one_buffer, tmp_path, "both.result") == ([], [1], False)


def test_what_an_op_keeps_of_its_output_is_not_the_next_step_s_input(tmp_path: Path) -> None:
    kept: list[list[int]] = []

    @op
    def remembers() -> list[int]:
        kept.append([1])
        return kept[-1]

    @op
    def grows(value: list[int]) -> list[int]:
        value.append(2)
        return value

    @job
    def remembering() -> None:
        grows(remembers())

    assert grouped(remembering, tmp_path, "grows.result") == [1, 2]
    assert kept == [[1], [1]]


NOT_A_NUMBER = float("nan")
TEXT = "a text, and not a name"


@pytest.mark.parametrize("value", [NOT_A_NUMBER, TEXT, b"bytes, too"])
def test_no_value_is_the_producer_s_own_object(value: Any, tmp_path: Path) -> None:
    @op
    def constant() -> Any:
        return value

    @op
    def compares(given: Any) -> bool:
        return given is value or given in [value] * (value != value)

    @job
    def identical() -> None:
        compares(constant())

    assert grouped(identical, tmp_path, "compares.result") is False


def test_a_thread_of_an_op_cannot_reach_the_next_step_s_input(tmp_path: Path) -> None:
    is_changed = threading.Event()
    is_made = threading.Event()

    @op
    def leaves_a_thread() -> list[int]:
        rows = [1]
        is_changed.clear()
        is_made.clear()

        def clear() -> None:
            is_made.wait(30)
            rows.clear()
            is_changed.set()

        threading.Thread(target=clear).start()
        return rows

    @op
    def waits(rows: list[int]) -> list[int]:
        is_made.set()
        assert is_changed.wait(30)
        return rows

    @job
    def threaded() -> None:
        waits(leaves_a_thread())

    assert grouped(threaded, tmp_path, "waits.result") == [1]


def test_a_table_over_an_array_does_not_change_with_it(tmp_path: Path) -> None:
    @op
    def table() -> Iterator[Output[Any]]:
        numbers = np.arange(3)
        yield Output(pa.table({"n": pa.array(numbers)}))  # without a copy of the numbers
        numbers[:] = 0

    @op
    def listed(data: Any) -> Any:
        return data.column("n").to_pylist()

    @job
    def tabled() -> None:
        listed(table())

    assert grouped(tabled, tmp_path, "listed.result") == [0, 1, 2]


def test_a_default_that_a_step_changes_is_new_for_the_next(tmp_path: Path) -> None:
    large = np.zeros(20_000)

    @op(ins={"value": In(default_value=[])})
    def plain(value: list[int]) -> list[int]:
        value.append(1)
        return value

    @op
    def with_context(context: Any, value: dict[str, int] = {}) -> dict[str, int]:  # noqa: B006
        value["n"] = value.get("n", 0) + 1
        return value

    @op(ins={"value": In(default_value=large)})
    def with_array(value: Any) -> Any:
        return seen(value)

    @job
    def defaulted() -> None:
        for made in (plain, with_context, with_array):
            made.alias(f"{made.name}_first")()
            made.alias(f"{made.name}_second")()

    assert grouped(defaulted, tmp_path, "plain_second.result") == [1]
    assert grouped(defaulted, tmp_path, "with_context_second.result") == {"n": 1}
    # As any large value: none can be changed, so that all may share it.
    assert grouped(defaulted, tmp_path, "with_array_second.result") == "array 0.0 20000 False"


def test_a_default_that_cannot_be_pickled_is_shared(tmp_path: Path) -> None:
    lock = threading.Lock()

    @op(ins={"value": In(default_value=lock)})
    def holds(value: Any) -> bool:
        return value is lock

    @job
    def locked() -> None:
        holds()

    assert run_grouped(locked, TOGETHER, tmp_path) == {"holds.result": True}


@pytest.mark.long("dozens of runs on Ray")
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sources=SOURCES, steps=STEPS)
def test_ops_that_change_their_values_get_the_same_on_ray_with_batches_and_without(
    sources: list[tuple[str, bool]], steps: list[tuple[str, list[int], bool]], ray_session: None
) -> None:
    def outputs(*, batches: bool) -> dict[str, str]:
        made = make_job(sources, steps)
        config = {"execution": {"config": {"ray": {"batches": batches}}}}
        result = execute_job(made, config, store=False)
        yielded = [
            (event.step_key or "", event.step_output_data.output_name)
            for event in result.all_node_events
            if event.is_successful_output
        ]
        return {f"{key}.{name}": seen(result.output_for_node(key, name)) for key, name in yielded}

    together, singly = outputs(batches=True), outputs(batches=False)
    assert together == singly
    assert together
