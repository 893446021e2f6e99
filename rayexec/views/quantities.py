"""Durations, sizes and counts in words of a few characters.

``web/static/format.js`` says the same of the same numbers: both round halves up, and to the unit
that shows them (``1.0 s``, not ``1000 ms``). ``tests/views/quantities.json`` has cases for both.
"""

from __future__ import annotations

import datetime
import math

__all__ = ["amount_in_words", "at_least", "bytes_in_words", "counted", "duration", "iso_time"]


def duration(seconds: float) -> str:
    """Return a time span, such as ``1.4 s`` or ``2 min 05 s``."""
    milliseconds = _rounded(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    tenths = _rounded(seconds * 10)
    if tenths < 600:
        return f"{tenths // 10}.{tenths % 10} s"
    minutes, rest = divmod(_rounded(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def bytes_in_words(count: float) -> str:
    """Return a size, such as ``1.4 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        tenths = _rounded(count * 10)
        if unit == "B" or tenths >= 1000:
            if _rounded(count) < 1024:
                return f"{_rounded(count)} {unit}"
        else:
            return f"{tenths // 10}.{tenths % 10} {unit}"
        count /= 1024
    tenths = _rounded(count * 10)
    return f"{tenths // 10:,}.{tenths % 10} TiB"


def amount_in_words(amount: float) -> str:
    """Return an amount of a resource, such as ``0.25``: two decimals at most, no zeros behind."""
    return f"{_rounded(amount * 100) / 100:,.2f}".rstrip("0").rstrip(".")


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


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
