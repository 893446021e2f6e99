"""Ops of a run with IO managers; all others go by the fast path."""

import pickle
from typing import Any

from rayexec import In, Nothing, Out, job, op
from rayexec.definitions.fields_resource import resource_definition
from rayexec.plan import Plan, compile_job
from rayexec.steps.io_managers import Handled
from rayexec.steps.managed_ports import ManagedPorts, managed_ports

MANAGER = resource_definition("a manager")


@op
def make() -> int:
    return 1


@op(
    out={
        "stored": Out(int, io_manager_key="files"),
        "other": Out(int),
        "signal": Out(Nothing, io_manager_key="files"),
    }
)
def make_both() -> Any: ...


@op
def use(value: int) -> int:
    return value


@op
def take_stored(value: int) -> int:
    return value


@op
def take_beside(value: int) -> int:
    return value


@op(ins={"after": In(Nothing)})
def wait() -> None: ...


@op
def gather(values: list[int]) -> None: ...


@op(ins={"value": In(input_manager_key="files")})
def load(value: Any) -> None: ...


@job
def mixed() -> None:
    stored, other, signal = make_both()
    take_stored(stored)
    take_beside(other)
    wait(signal)
    gather([use(other), stored])


def names(plan: Plan, managed: ManagedPorts | None) -> set[str]:
    assert managed is not None
    return {plan.templates[index].op.name for index in managed.templates}


def test_producers_and_consumers_of_what_is_stored() -> None:
    plan = compile_job(mixed)
    managed = managed_ports(plan, {"files": MANAGER})
    assert managed is not None
    assert names(plan, managed) == {"make_both", "take_stored", "gather"}
    assert [(name, key) for (_, name), key in managed.outputs.items()] == [("stored", "files")]


def test_an_input_with_its_own_manager_makes_others_know_where_a_value_is_from() -> None:
    @job
    def loading() -> None:
        value = make()
        load(value)
        take_beside(value)
        take_stored(use(make.alias("other")()))

    plan = compile_job(loading)
    managed = managed_ports(plan, {"files": MANAGER})
    assert managed is not None
    # A template stands for all steps of its op, of which one feeds the input.
    assert names(plan, managed) == {"make", "load", "take_beside", "use"}
    assert list(managed.outputs.values()) == [None]


def test_the_default_key_is_for_all_and_without_it_there_is_nothing_to_do() -> None:
    @job
    def plain() -> None:
        use(make())

    plan = compile_job(plain)
    assert managed_ports(plan, {}) is None
    assert managed_ports(plan, {"other": MANAGER}) is None
    assert names(plan, managed_ports(plan, {"io_manager": MANAGER})) == {"make", "use"}


def test_what_stands_for_a_value_is_small() -> None:
    handled = Handled(
        "0" * 36, "outer.inner.step[key]", "result", "key", "step", 5, {"name": "table"}, "files"
    )
    assert len(pickle.dumps(handled)) < 500
