"""Contract of engines: promises of ``Engine``, on each implementation.

A new engine belongs into ENGINES.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import contract_engines
import pytest
from contract_engines import ENGINES, Start

from rayexec import In, Nothing, ResourceDefinition, job, op
from rayexec.engine.packed_values import unpack
from rayexec.events import FAILURE, SUCCESS, BatchFacts, LiveLines
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    BatchProgressed,
    BatchStarted,
    StepYielded,
)

start = contract_engines.start


@op
def one() -> int:
    return 1


@op
def plus_one(value: int) -> int:
    return value + 1


@op
def large(value: int) -> bytes:
    return bytes(100_000 + value)


@op
def fail() -> int:
    raise ValueError("on purpose")


@op
def sleep() -> None:
    time.sleep(3600)


@job
def chain() -> None:
    large(plus_one(one()))


@job
def failing() -> None:
    plus_one(fail())
    one()


@job
def sleeping() -> None:
    sleep()
    sleep()


def test_the_driver_may_ask_for_everything_before_the_start(start: Start) -> None:
    engine = start(chain).engine
    assert engine.name in {*ENGINES}
    assert engine.placement.slots >= 1
    for flag in (engine.grows, engine.runs_here, engine.is_nested, engine.batching):
        assert isinstance(flag, bool)
    assert all(isinstance(note, str) for note in engine.notes)
    facts = engine.facts()
    assert (facts is None) == (not engine.runs_here)
    assert facts is None or isinstance(facts, BatchFacts)


def test_a_batch_is_answered_once_with_every_call(start: Start) -> None:
    run = start(chain)
    run.run("one", "plus_one")
    assert run.answered() == [0]
    assert [row.step for row in run.attempts()] == [run.step("one"), run.step("plus_one")]
    for row in run.attempts():
        assert (row.outcome, row.attempt_number) == (SUCCESS, 0)
        assert row.started <= row.ended
        assert [record.name for record in row.outputs] == ["result"]
    first, second = run.attempts()
    assert first.ended <= second.started
    run.events.clear()
    assert run.engine.wait(0) == []


def test_batches_side_by_side_are_each_answered(start: Start) -> None:
    @job
    def wide() -> None:
        for index in range(8):
            one.alias(f"one_{index}")()

    run = start(wide)
    batches = [run.submit(f"one_{index}") for index in range(8)]
    run.wait_for_answers(*batches)
    assert sorted(run.answered()) == batches
    assert run.outcomes() == {f"one_{index}": SUCCESS for index in range(8)}
    assert len(run.attempts()) == 8


def test_only_known_events_come_back(start: Start) -> None:
    run = start(chain)
    run.run("one", "plus_one", "large")
    kinds = (BatchEnded, BatchLost, BatchProgressed, BatchStarted, StepYielded, LiveLines)
    assert all(isinstance(event, kinds) for event in run.events)


def test_a_failed_step_is_a_row_and_leaves_its_successors_alone(start: Start) -> None:
    run = start(failing)
    run.run("fail")
    run.run("one")
    assert run.outcomes() == {"fail": FAILURE, "one": SUCCESS}
    [failed] = [row for row in run.attempts() if row.outcome == FAILURE]
    assert failed.failure is not None
    assert failed.outputs == ()
    if run.kind.has_values:
        assert failed.failure.error_types[0] == "builtins.ValueError"
        error = run.engine.exception(run.step("fail"))
        assert isinstance(error, ValueError)
        assert str(error) == "on purpose"
    assert run.engine.exception(run.step("one")) is None


def test_a_later_batch_takes_from_an_earlier_one(start: Start) -> None:
    run = start(chain)
    for key in ("one", "plus_one", "large"):
        run.run(key)
    assert run.outcomes() == dict.fromkeys(["one", "plus_one", "large"], SUCCESS)
    if run.kind.has_values:
        assert run.engine.value(run.step("one"), "result") == 1
        assert run.engine.value(run.step("plus_one"), "result") == 2
        assert run.engine.value(run.step("large"), "result") == bytes(100_002)


def test_values_outlive_the_close(start: Start) -> None:
    run = start(chain)
    run.run("one", "plus_one", "large")
    run.engine.close()
    if run.kind.has_values:
        assert run.engine.value(run.step("large"), "result") == bytes(100_002)


def test_a_packed_value_unpacks_as_the_value(start: Start) -> None:
    run = start(chain)
    run.run("one", "plus_one", "large")
    if not run.kind.has_values:
        with pytest.raises(KeyError):
            run.engine.packed(run.step("one"), "result")
        return
    for key, value in (("one", 1), ("large", bytes(100_002))):
        assert unpack(run.engine.packed(run.step(key), "result")) == value


def test_a_dropped_value_is_gone_and_others_stay(start: Start) -> None:
    run = start(chain)
    run.run("one", "plus_one", "large")
    run.engine.release([run.step("one"), run.step("large")])
    run.engine.release([run.step("one")])  # once more does no harm
    run.engine.release_values(run.step("one"), ["result"])
    if run.kind.has_values:
        for key in ("one", "large"):
            with pytest.raises(KeyError):
                run.engine.value(run.step(key), "result")
        assert run.engine.value(run.step("plus_one"), "result") == 2


def test_a_second_attempt_replaces_the_first(start: Start) -> None:
    run = start(chain)
    run.run("one")
    run.run("one", attempt=1)
    assert [row.attempt_number for row in run.attempts()] == [0, 1]
    if run.kind.has_values:
        assert run.engine.value(run.step("one"), "result") == 1


@dataclass
class Stored:
    """A value of an earlier run."""

    value: Any
    is_local: bool = True

    def load(self) -> Any:
        return self.value

    def parts(self) -> Sequence[Any]:
        return [pickle.dumps(self.value, protocol=5)]

    @property
    def size(self) -> int:
        return len(self.parts()[0])


@pytest.mark.parametrize("size", [3, 200_000])
def test_a_restored_value_is_an_output_like_any_other(start: Start, size: int) -> None:
    @op
    def give() -> list[int]:
        return []

    @op
    def count(values: list[int]) -> int:
        return len(values)

    @job
    def counting() -> None:
        count(give())

    run = start(counting)
    run.engine.restore(run.step("give"), {"result": Stored(list(range(size)))})
    run.run("count")
    assert run.outcomes() == {"count": SUCCESS}
    if run.kind.has_values:
        assert run.engine.value(run.step("give"), "result") == list(range(size))
        assert run.engine.value(run.step("count"), "result") == size


def test_a_canceled_batch_is_still_answered(start: Start) -> None:
    run = start(sleeping)
    batches = [run.submit("sleep"), run.submit("sleep_2")]
    if not run.engine.runs_here:  # there, ``wait`` would sleep itself
        run.events += run.engine.wait(0.5)
    run.engine.cancel(batches, force=True)
    run.wait_for_answers(*batches)
    assert sorted(run.answered()) == batches
    if run.kind.has_values:
        assert all(isinstance(event, BatchLost) for event in run.events)


def test_a_canceled_batch_that_is_over_does_no_harm(start: Start) -> None:
    run = start(chain)
    run.run("one")
    run.engine.cancel([], force=True)
    run.run("plus_one")
    assert run.outcomes() == {"one": SUCCESS, "plus_one": SUCCESS}


def test_a_wake_ends_the_next_wait(start: Start) -> None:
    run = start(chain)
    run.engine.wake()
    began = time.monotonic()
    assert run.engine.wait(20.0) == []
    assert time.monotonic() - began < 10.0


def test_a_wait_lasts_no_longer_than_its_timeout(start: Start) -> None:
    run = start(chain)
    began = time.monotonic()
    assert run.engine.wait(0.1) == []
    spent = time.monotonic() - began
    assert spent < 10.0
    assert spent >= 0.09 or not run.kind.has_real_time


def test_what_other_runs_hold_is_by_limit(start: Start) -> None:
    engine = start(chain).engine
    others = engine.others()
    assert {*others} <= {*range(len(engine.placement.limits))}
    assert all(amount >= 0 for amount in others.values())
    assert list(engine.warnings()) == []


def test_lines_have_a_listener_where_the_engine_runs_steps_itself(start: Start) -> None:
    run = start(chain)
    heard: list[LiveLines] = []
    run.engine.listen(heard.append)
    run.run("one")
    assert heard == []  # a short step's lines come with its attempt


def test_records_of_resources_are_handed_over_once(start: Start) -> None:
    @op(required_resource_keys={"thing"}, ins={"after": In(Nothing)})
    def use(context: Any) -> int:
        return int(context.resources.thing)

    @job(resource_defs={"thing": ResourceDefinition(lambda _: 7)})
    def using() -> None:
        use(after=one())

    run = start(using)
    run.run("one", "use")
    opened = [record.key for record in run.engine.take_resource_records()]
    opened += [record.key for row in run.attempts() for record in row.resources]
    assert opened == (["thing"] if run.kind.has_values else [])
    assert list(run.engine.take_resource_records()) == []
