"""Random jobs whose steps write down what they do, and a killer of the workers that run them."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rayexec import In, JobDefinition, OpExecutionContext, RetryPolicy, job, op

_PRIME = 1_000_003
_LARGE = 30_000  # numbers in a large output, which is an object of its own


class Line(NamedTuple):
    """What a step wrote down when it began: its key, the number of its attempt, its process."""

    key: str
    number: int
    pid: int


def read_lines(place: Path) -> list[Line]:
    """Return what steps have written so far."""
    try:
        words = [line.split() for line in place.read_text().splitlines()]
    except FileNotFoundError:
        return []
    return [Line(key, int(number), int(pid)) for key, number, pid in words]


@dataclass(frozen=True)
class Node:
    """A step: the steps that it takes from, how long it runs in seconds, whether its output is
    large.
    """

    inputs: tuple[int, ...]
    seconds: float
    is_large: bool


def random_nodes(rng: random.Random) -> list[Node]:
    """Return some steps, each of which takes from some before it."""
    nodes: list[Node] = []
    for place in range(rng.randint(10, 24)):
        near = range(max(0, place - 6), place)
        inputs = tuple(rng.sample(near, min(len(near), rng.choice([0, 1, 1, 1, 2, 3]))))
        nodes.append(Node(inputs, rng.choice([0, 0, 0.005, 0.02, 0.06]), rng.random() < 0.1))
    return nodes


def values_of(nodes: list[Node]) -> list[int]:
    """Return what the steps come to."""
    values: list[int] = []
    for place, node in enumerate(nodes):
        values.append((sum(values[each] for each in node.inputs) * 31 + place) % _PRIME)
    return values


def below(nodes: list[Node], failed: set[int]) -> set[int]:
    """Return the steps that take from ``failed`` ones, straight or by others."""
    found: set[int] = set()
    for place, node in enumerate(nodes):
        if any(each in failed or each in found for each in node.inputs):
            found.add(place)
    return found


def make_job(nodes: list[Node], place: Path, policy: RetryPolicy | None) -> JobDefinition:
    """Return a job of these steps, ``n0`` and so on, which write their lines to the file at
    ``place``.
    """

    def made(number: int, node: Node) -> Any:
        def body(context: OpExecutionContext, **inputs: Any) -> Any:
            line = f"{context.op_handle.name} {context.retry_number} {os.getpid()}\n".encode()
            file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(file, line)
            os.close(file)
            time.sleep(node.seconds)
            value = (sum(each[0] for each in inputs.values()) * 31 + number) % _PRIME
            return [value, *range(_LARGE)] if node.is_large else [value]

        ins = {f"i{each}": In() for each in node.inputs}
        return op(name=f"n{number}", ins=ins, retry_policy=policy)(body)

    ops = [made(number, node) for number, node in enumerate(nodes)]

    @job
    def killed() -> None:
        handles: list[Any] = []
        for each, node in zip(ops, nodes, strict=True):
            handles.append(each(**{f"i{number}": handles[number] for number in node.inputs}))

    return killed


class Killer:
    """Kills workers that wrote to the file at ``place``, at moments chosen by ``rng``, while its
    ``with`` block lasts.

    ``killed`` are their pids.
    """

    def __init__(self, place: Path, rng: random.Random, kills: int, steps: int) -> None:
        self._place = place
        self._rng = rng
        self._due = sorted(rng.randint(1, steps) for _ in range(kills))
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.killed: list[int] = []

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        for due in self._due:
            while len(read_lines(self._place)) < due:
                if self._is_over.wait(0.001):
                    return
            if self._is_over.wait(self._rng.uniform(0, 0.03)):
                return
            lines = read_lines(self._place)
            self._kill(lines[-1].pid if self._rng.random() < 0.7 else self._rng.choice(lines).pid)

    def _kill(self, pid: int) -> None:
        try:
            if b"ray::" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                return
            os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):  # it was killed before
            return
        self.killed.append(pid)
