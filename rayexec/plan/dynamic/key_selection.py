"""Selection of mapping keys while the values of dynamic outputs come."""

from __future__ import annotations

from collections.abc import Mapping

from rayexec.names import mapping_keys
from rayexec.plan.model import FanOut

__all__ = ["KeySelection"]


class KeySelection:
    """Selected patterns of mapping keys, with a record of the matched ones."""

    def __init__(self, patterns: Mapping[FanOut, tuple[tuple[str, ...], ...]]) -> None:
        self._patterns = patterns
        self._matched: set[tuple[FanOut, tuple[str, ...]]] = set()

    def select(self, fan_out: FanOut, above: tuple[str, ...], names: list[str]) -> list[str]:
        """Return the selected values of a dynamic output below the mapping keys ``above``."""
        patterns = self._patterns.get(fan_out)
        if patterns is None:
            return names
        selected = []
        for name in names:
            keys = (*above, *mapping_keys(name))
            fitting = [
                pattern
                for pattern in patterns
                if all(wanted in ("?", key) for wanted, key in zip(pattern, keys, strict=True))
            ]
            self._matched.update((fan_out, pattern) for pattern in fitting)
            if fitting:
                selected.append(name)
        return selected

    def unmatched(self) -> dict[FanOut, list[str]]:
        """Return the patterns without a value, in brackets, by dynamic output."""
        return {
            fan_out: [
                f"[{','.join(pattern)}]"
                for pattern in patterns
                if (fan_out, pattern) not in self._matched
            ]
            for fan_out, patterns in self._patterns.items()
        }
