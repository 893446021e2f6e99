"""A durable run of a random job: run as a script, whose process a test kills, on a Ray that it
attaches to.

    python durable_run.py ADDRESS STORE RUN SEED NOTES

Each step notes in the file NOTES when it begins and when it is about to return.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from rayexec import DynamicOut, DynamicOutput, In, JobDefinition, job, op

NOTES = os.environ.get("DURABLE_RUN_NOTES", "")


def note(notes: str, words: str) -> None:
    """Append a line in one system call, so that those of others stay whole."""
    file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, f"{words}\n".encode())
    finally:
        os.close(file)


def make_job(seed: int, notes: str) -> JobDefinition:
    """Return a job of layers with some large values, and a dynamic output in the midst."""
    chance = random.Random(seed)
    plan: list[tuple[int, list[int], float, bool]] = []
    for layer in range(chance.randint(3, 5)):
        before = len(plan)
        for _ in range(chance.randint(2, 6)):
            count = min(before, chance.randint(1, 3)) if layer else 0
            taken = sorted(chance.sample(range(before), count))
            plan.append(
                (len(plan), taken, chance.choice([0.0, 0.0, 0.01, 0.05]), chance.random() < 0.2)
            )

    def make(number: int, taken: list[int], seconds: float, is_large: bool) -> Any:
        @op(name=f"n{number}", ins={f"i{each}": In(Any) for each in taken})
        def step(**given: Any) -> Any:
            note(notes, f"begin n{number}")
            time.sleep(seconds)
            total = number + sum(int(np.sum(each)) % 1009 for each in given.values())
            note(notes, f"end n{number}")
            return np.full(20_000, total) if is_large else total

        return step

    steps = [make(*each) for each in plan]

    @op(out=DynamicOut())
    def split(value: Any) -> Iterator[Any]:
        note(notes, "begin split")
        for key in range(6):
            yield DynamicOutput(int(np.sum(value)) % 1009 + key, f"k{key}")
        note(notes, "end split")

    @op
    def piece(context: Any, value: int) -> int:
        note(notes, f"begin piece[{context.get_mapping_key()}]")
        time.sleep(0.02)
        note(notes, f"end piece[{context.get_mapping_key()}]")
        return value * 3

    @op
    def gather(values: list[int], last: Any) -> int:
        note(notes, "begin gather")
        time.sleep(0.01)
        note(notes, "end gather")
        return sum(values) + int(np.sum(last)) % 1009

    @job
    def layers() -> None:
        made: list[Any] = []
        for (_, taken, _, _), each in zip(plan, steps, strict=True):
            made.append(each(**{f"i{other}": made[other] for other in taken}))
        middle = made[len(made) // 2]
        gather(split(middle).map(piece).collect(), made[-1])

    return layers


if __name__ == "__main__":
    from rayexec import execute_job

    address, store, run_id, seed, notes = sys.argv[1:]
    execute_job(
        make_job(int(seed), notes),
        address=address,
        store=store,
        run_id=run_id,
        durable=True,
        raise_on_error=True,
    )
