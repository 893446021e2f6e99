"""What a step yields on its way to the driver while the step runs."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from rayexec.engine.packed_values import Packed
from rayexec.engine.ray.protocol.overrun import Teller

__all__ = ["Underway"]

T = TypeVar("T")


class Underway:
    """Outputs of a step that streams, in their order: ``teller`` is told of them, large ones are
    yielded to Ray.

    That a large output came is told when it goes to Ray and no sooner, so that the driver need not
    wait for it.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        # What is still to be told: from the first large output on that Ray does not have yet.
        self._due: list[tuple[str, bytes | Packed]] = []

    def add(self, name: str, packed: bytes | Packed) -> None:
        """Take an output that came just now."""
        if self._due or not isinstance(packed, bytes):
            self._due.append((name, packed))
        else:
            self._teller.tell(name, packed)

    def along(self, pauses: Generator[None, None, T]) -> Generator[Packed, None, T]:
        """Go through a step, send what is due at each of its pauses and at its end; return what it
        does.
        """
        while True:
            ended: tuple[T] | None = None
            try:
                next(pauses)
            except StopIteration as end:
                ended = (end.value,)
            for (
                name,
                packed,
            ) in (
                self._due
            ):  # not "yield from": Ray sends to its generators, which an iterator refuses
                if isinstance(packed, Packed):
                    self._teller.tell(name, None)
                    yield packed
                else:
                    self._teller.tell(name, packed)
            self._due.clear()
            if ended is not None:
                return ended[0]
