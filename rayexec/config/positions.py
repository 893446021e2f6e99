"""Places of run config's problems in a YAML text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rayexec.config.yaml_text import (
    PlacedProblem,
    TextEntry,
    TextNode,
    YamlText,
    YamlTextError,
    read_yaml_text,
)
from rayexec.errors import Problem

__all__ = ["PlacedProblem", "YamlText", "YamlTextError", "positions_of", "read_yaml_text"]

# Beginnings of messages about a key, not about its value.
_OF_KEY = re.compile(
    r"unknown |the job has no |op .* has no such |no config here|this input is connected"
)
_NEAREST = re.compile(r"Did you mean '([^']*)'\?")


def positions_of(text: str | bytes | YamlText, problems: Iterable[Problem]) -> list[PlacedProblem]:
    """Return problems of a run config with their places in its text, in the order of the text.

    An unknown key is at the key, a wrong value at the value, and a missing key at the key above it.
    Raises YamlTextError for a text that is no YAML; its ``problems`` have places too.
    """
    read = text if isinstance(text, YamlText) else read_yaml_text(text)
    placed = [_position(read, problem) for problem in problems]
    return sorted(placed, key=lambda problem: (problem.line, problem.column))


def _position(text: YamlText, problem: Problem) -> PlacedProblem:
    entry, node, is_whole = _reached(text.root, problem.path)
    match = _NEAREST.search(problem.message)
    fix = match[1] if match is not None and is_whole else None
    if node is None:
        return text.placed(0, 0, problem.path, problem.message)
    shown = node
    is_of_key = bool(_OF_KEY.match(problem.message))
    is_broad = node.is_mapping or bool(node.items) or node.start == node.end
    if entry is not None and (is_of_key or is_broad or not is_whole):
        shown = entry.key
        fix = fix if is_of_key else None
    end = shown.end
    if shown is node and (node.entries or node.items) and not node.is_flow:
        end = shown.start  # of a document without one key for all
    return text.placed(shown.start, end, problem.path, problem.message, fix)


def _reached(
    root: TextNode | None, path: tuple[str, ...]
) -> tuple[TextEntry | None, TextNode | None, bool]:
    """Return the deepest entry and value on a path, and whether that is the whole path."""
    entry, node = None, root
    for key in path:
        if node is None:
            return entry, node, False
        if (inner := node.entry(key)) is not None:
            entry, node = inner, inner.value
        elif key.isdigit() and int(key) < len(node.items):
            # An item has no key of its own to show.
            entry, node = None, node.items[int(key)]
        else:
            return entry, node, False
    return entry, node, node is not None
