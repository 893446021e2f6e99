"""The loop's table of instructions, and the records of transitions."""

from __future__ import annotations

from rayexec.events import Attempt, Successes
from rayexec.execute.loop import _CARRY_OUT
from rayexec.execute.transition_records import _RECORDS
from rayexec.scheduler.messages import Command, Transition


def test_the_loop_carries_out_every_instruction() -> None:
    kinds = {*Command.__subclasses__(), *Transition.__subclasses__(), Attempt, Successes}
    assert set(_CARRY_OUT) == kinds


def test_every_transition_has_a_record() -> None:
    assert set(_RECORDS) == set(Transition.__subclasses__())
