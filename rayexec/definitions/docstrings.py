"""Descriptions of inputs and of the output in the docstring of an op's function.

The styles are those of Google, of NumPy, and of reStructuredText's fields.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Descriptions", "described"]


class Descriptions(NamedTuple):
    """Descriptions by input, and that of what the function returns or yields."""

    inputs: dict[str, str]
    output: str | None = None


_INPUTS = frozenset({"args", "arguments", "params", "parameters", "attributes"})
_OUTPUTS = frozenset({"return", "returns", "yield", "yields"})
_SECTION = re.compile(r"^(\w[\w ]*):?\s*$")
_FIELD = re.compile(r"^[:@](\w+)(?: ([^:\n]*))?:(.*)$")
_GOOGLE_INPUT = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:(.*)$")
_NUMPY_INPUT = re.compile(r"^\*{0,2}(\w+)\s*(?::.*)?$")
_TYPED_OUTPUT = re.compile(r"^[\w.]+(?:\[.*\])?\s*:\s+(.*)$", re.DOTALL)


def described(docstring: str) -> Descriptions:
    """Return the descriptions in a docstring; a part in no such style has none."""
    lines = inspect.cleandoc(docstring).splitlines()
    inputs, output = _fields(lines)
    for title, body, is_numpy in _sections(lines):
        if title in _INPUTS:
            inputs |= _by_name(body, _NUMPY_INPUT if is_numpy else _GOOGLE_INPUT)
        elif body:
            output = _joined(body[1:]) if is_numpy else _untyped(_joined(body))
    return Descriptions(inputs, output or None)


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str], bool]]:
    """Yield sections of inputs or outputs: title, body without its indent, whether NumPy's."""
    starts = []
    for position, line in enumerate(lines):
        below = lines[position + 1] if position + 1 < len(lines) else ""
        is_numpy = bool(re.fullmatch(r"-{3,}\s*", below))
        if (start := _SECTION.match(line)) and (is_numpy or line.rstrip().endswith(":")):
            starts.append((position, start[1].lower(), is_numpy))
    ends = [position for position, *_ in starts[1:]]
    for (position, title, is_numpy), end in zip(starts, [*ends, len(lines)], strict=False):
        if title in _INPUTS | _OUTPUTS:
            body = inspect.cleandoc("\n" + "\n".join(lines[position + 1 + is_numpy : end]))
            yield title, body.splitlines(), is_numpy


def _by_name(body: list[str], pattern: re.Pattern[str]) -> dict[str, str]:
    """Return descriptions by name: a line without indent names an input."""
    texts: dict[str, list[str]] = {}
    name = None
    for line in body:
        if line and not line[0].isspace():
            start = pattern.match(line)
            name = start[1] if start else None
            if start:
                texts[start[1]] = [start[2]] if start.re.groups > 1 else []
        elif name is not None:
            texts[name].append(line)
    return {name: text for name, lines in texts.items() if (text := _joined(lines))}


def _fields(lines: list[str]) -> tuple[dict[str, str], str | None]:
    """Return what fields such as ``:param name:`` and ``:return:`` describe."""
    texts: dict[tuple[str, str], list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        if start := _FIELD.match(line):
            kind = "output" if start[1] in _OUTPUTS else start[1]
            current = [start[3]]
            subject = (start[2] or "").split()
            texts[kind, "" if kind == "output" or not subject else subject[-1]] = current
        elif current is not None and line[:1].isspace():
            current.append(line)
        else:
            current = None
    inputs = {name: _joined(text) for (kind, name), text in texts.items() if kind == "param"}
    return inputs, _joined(texts.get(("output", ""), []))


def _joined(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines).strip()


def _untyped(text: str) -> str:
    """Return the description of an output without the type before its colon."""
    typed = _TYPED_OUTPUT.match(text)
    return typed[1] if typed else text
