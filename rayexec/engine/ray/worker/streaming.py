"""Streaming of a step's outputs to the driver while the step runs."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import TypeVar

from rayexec.engine.packed_values import Packed
from rayexec.engine.ray.protocol.worker_messages import ValuesYielded, YieldedValue
from rayexec.engine.ray.worker.report_sender import ReportSender

__all__ = ["StreamedOutputs", "ValueSender"]

_GATHER_S = 0.02  # between two messages

T = TypeVar("T")


class ValueSender:
    """Reports values of a running step in their order; a context manager around the step.

    A thread sends them some hundredths of a second later, so that the step does not wait. The
    batch's answer has whatever could not be sent.
    """

    def __init__(self, batch_id: int, sender: ReportSender) -> None:
        self._batch_id = batch_id
        self._sender = sender
        self._wake = threading.Condition()
        self._due: list[YieldedValue] = []
        self._is_over = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ValueSender:
        return self

    def __exit__(self, *_: object) -> None:
        with self._wake:
            self._is_over = True
            self._wake.notify()

    def add(self, name: str, packed: bytes | None) -> None:
        """Report a value, or (None) a large one that comes as an item of Ray's stream."""
        with self._wake:
            self._due.append(YieldedValue(name, packed))
            self._wake.notify()
        if self._thread is None and self._sender.is_connected:
            self._thread = threading.Thread(target=self._run, name="rayexec-values", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._due or self._is_over)
                if self._is_over:  # the answer has it all
                    return
                due, self._due = self._due, []
            if not self._sender.send(ValuesYielded(self._batch_id, due), in_order=True):
                return
            with self._wake:
                self._wake.wait_for(lambda: self._is_over, timeout=_GATHER_S)


class StreamedOutputs:
    """Outputs of a step that streams, in their order: small ones are reported, large ones yielded.

    The report of a large output goes out together with the output itself, so that the driver never
    waits for one.
    """

    def __init__(self, sender: ValueSender) -> None:
        self._sender = sender
        # Outputs from the first large one on that Ray does not have yet.
        self._due: list[tuple[str, bytes | Packed]] = []

    def add(self, name: str, packed: bytes | Packed) -> None:
        """Accept a new output."""
        if self._due or not isinstance(packed, bytes):
            self._due.append((name, packed))
        else:
            self._sender.add(name, packed)

    def along(self, pauses: Generator[None, None, T]) -> Generator[Packed, None, T]:
        """Run a step to its end, and send outputs at each of its pauses; return its result."""
        while True:
            ended: tuple[T] | None = None
            try:
                next(pauses)
            except StopIteration as end:
                ended = (end.value,)
            # Ray sends to its generators, and an iterator refuses that: hence no "yield from".
            for name, packed in self._due:
                if isinstance(packed, Packed):
                    self._sender.add(name, None)
                    yield packed
                else:
                    self._sender.add(name, packed)
            self._due.clear()
            if ended is not None:
                return ended[0]
