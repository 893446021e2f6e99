"""Text of records as a terminal may get it.

Ops, other users and damaged files choose what a record says. A terminal takes control characters in
it for commands: ESC and C1 codes move the cursor, set the clipboard and answer as if somebody had
typed; a line end forges a row of a table; bidirectional controls show text in another order. Here
each becomes an escape that one can see, such as ``\\x1b``.
"""

from __future__ import annotations

import html
import re

__all__ = [
    "printable_html",
    "printable_json",
    "printable_line",
    "printable_output",
    "printable_text",
]

_BIDIRECTIONAL = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS = (*range(0x20), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029, *_BIDIRECTIONAL)
_OF_TEXT = frozenset(map(ord, "\n\t"))
_COLOR = re.compile(r"(\x1b\[[0-9;:]*m)")


def _escape(code: int) -> str:
    short = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}
    return short.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


_IN_LINE = {code: _escape(code) for code in _CONTROLS}
_IN_TEXT = {code: text for code, text in _IN_LINE.items() if code not in _OF_TEXT}
# JSON has escapes for C0 already.
_IN_JSON = {code: f"\\u{code:04x}" for code in _CONTROLS if code >= 0x7F}


def printable_line(text: str) -> str:
    """Return text as one line without control characters."""
    return _encodable(text.translate(_IN_LINE))


def printable_text(text: str) -> str:
    """Return text without control characters but for line ends and tabs."""
    return _encodable(text.translate(_IN_TEXT))


def printable_output(text: str, *, colors: bool = True) -> str:
    """Return the output of a process with line ends, tabs and colors as its only controls.

    A carriage return counts as the end of a line, since progress bars end theirs so.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    parts = _COLOR.split(lines) if colors else [lines]  # every second one is a color
    parts[::2] = [part.translate(_IN_TEXT) for part in parts[::2]]
    return _encodable("".join(parts))


def printable_html(text: str) -> str:
    """Return text for a page, with escapes for what HTML and a reader would take for more."""
    return html.escape(printable_text(text))


def printable_json(text: str) -> str:
    """Return a JSON document with escapes for the control characters in its strings."""
    return _encodable(text.translate(_IN_JSON))


def _encodable(text: str) -> str:
    """Return text without half surrogate pairs, which an op may write and no stream encodes."""
    return text.encode("utf-8", "backslashreplace").decode()
