"""Durations, sizes and counts in words of a few characters."""

from __future__ import annotations

import datetime

__all__ = ["at_least", "bytes_in_words", "counted", "duration", "iso_time"]


def duration(seconds: float) -> str:
    """Return a time span, such as ``1.4 s`` or ``2 min 05 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def bytes_in_words(count: float) -> str:
    """Return a size, such as ``1.4 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def at_least(count: int, noun: str, *, more: bool) -> str:
    """Return a count with its noun; ``more`` marks it as a lower bound."""
    return f"{'at least ' if more else ''}{counted(count, noun)}"


def iso_time(seconds: float) -> str:
    """Return a moment, given in seconds since 1970, by ISO 8601 in UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="microseconds")
