"""Limits that the driver holds: a slice is let through when every limit that applies to its steps has room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rayexec.definitions.limits import TagLimit

__all__ = ["Admission"]


class Admission:
    """The run's ``max_concurrent`` and tag limits, counted over the slices under way.

    The steps of a slice count in the same limits and run one at a time, so a slice takes one place in each.
    """

    def __init__(self, max_concurrent: int | None, tag_limits: Sequence[TagLimit]) -> None:
        self._max = max_concurrent
        self._limits = tuple(tag_limits)
        self._running = 0
        self._counts: dict[str, int] = {}
        self._capacity: dict[str, int] = {}

    @property
    def has_room(self) -> bool:
        """Whether ``max_concurrent`` lets another slice through."""
        return self._max is None or self._running < self._max

    @property
    def has_groups(self) -> bool:
        """Whether there are tag limits at all."""
        return bool(self._limits)

    def groups(self, tags: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of the tag limits that a step with these tags counts in."""
        found = []
        for limit in self._limits:
            group = limit.group(dict(tags))
            if group is not None:
                # Two rules may count the same steps under different limits, so the rule is part of the name.
                name = f"{group} (each)" if limit.per_unique_value else group
                self._capacity[name] = limit.limit
                found.append(name)
        return tuple(found)

    def blocked_by(self, groups: Sequence[str]) -> str | None:
        """Return the name of a tag limit that has no room, or None."""
        for group in groups:
            if self._counts.get(group, 0) >= self._capacity[group]:
                return group
        return None

    def admit(self, groups: Sequence[str]) -> None:
        """Take a place in every limit."""
        for group in groups:
            self._counts[group] = self._counts.get(group, 0) + 1
        self._running += 1

    def release(self, groups: Sequence[str]) -> None:
        """Give the places back."""
        self._running -= 1
        for group in groups:
            self._counts[group] -= 1
