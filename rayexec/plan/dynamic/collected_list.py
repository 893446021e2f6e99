"""List of collected values that a run fills as they come."""

from __future__ import annotations

from typing import Any, TypeAlias

from rayexec.plan.model import FromStep, ListShape, Source

__all__ = ["CollectedList"]

# Sources, or lists of them.
_Members: TypeAlias = list[Any]


class CollectedList:
    """The sources of a collected input, as far as they exist."""

    __slots__ = ("_begun", "members", "open")

    def __init__(self, source: FromStep) -> None:
        # Until the first values come, their source stands for them: it may fail, or be skipped.
        self.members: _Members = [source]
        #: The incomplete lists, by the mapping keys above them.
        self.open: dict[tuple[str, ...], _Members] = {(): self.members}
        self._begun: set[tuple[str, ...]] = set()

    def begin(self, path: tuple[str, ...], *, is_nothing: bool) -> _Members:
        """Return the list below some mapping keys.

        The first call empties it, except with ``is_nothing``: then no value came, and none had to.
        """
        members = self.open[path]
        if path not in self._begun and not is_nothing:
            self._begun.add(path)
            members.clear()
        return members

    def end(self, path: tuple[str, ...]) -> None:
        """Complete the list below some mapping keys, unless it never began."""
        if path in self._begun:
            del self.open[path]

    def sources(self) -> tuple[tuple[Source, ...], ListShape | None]:
        """Return all sources in one row, and the shape of the list of lists that they make up."""
        if not any(isinstance(member, list) for member in self.members):
            return tuple(self.members), None
        row: list[Source] = []
        # An open list never came, since its producer failed or was skipped: it is no list.
        shape = _flatten(self.members, row, {id(members) for members in self.open.values()})
        return tuple(row), shape


def _flatten(members: _Members, row: list[Source], missing: set[int]) -> ListShape:
    shape: list[Any] = []
    for member in members:
        if not isinstance(member, list):
            row.append(member)
            shape.append(None)
        elif id(member) in missing:
            row.extend(member)
            shape.append(None)
        elif any(isinstance(inner, list) for inner in member):
            shape.append(_flatten(member, row, missing))
        else:
            row.extend(member)
            shape.append(len(member))
    return tuple(shape)
