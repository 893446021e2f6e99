"""Ignore files: the patterns of git, for the files of a directory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Pattern", "is_ignored", "is_taken_back", "names_hidden", "read_patterns"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line of an ignore file in the directory ``base``.

    ``base`` is a path such as ``a/b/`` from the root, or empty for the root itself.
    """

    base: str
    matches: re.Pattern[str]
    negated: bool
    only_directories: bool


def read_patterns(lines: Iterable[str], base: str = "") -> list[Pattern]:
    """Return the patterns of the lines of an ignore file."""
    return [pattern for line in lines if (pattern := _read(line.rstrip("\r\n"), base)) is not None]


def is_ignored(path: str, patterns: Sequence[Pattern], *, is_directory: bool) -> bool:
    """Whether the last matching pattern leaves out a path from the root.

    Nobody asks about files in a left-out directory, since no pattern can take them back.
    """
    last = _last(path, patterns, is_directory=is_directory)
    return last is not None and not last.negated


def is_taken_back(path: str, patterns: Sequence[Pattern], *, is_directory: bool) -> bool:
    """Whether the last matching pattern of a path from the root begins with ``!``."""
    last = _last(path, patterns, is_directory=is_directory)
    return last is not None and last.negated


def names_hidden(line: str) -> bool:
    """Whether a line of an ignore file names a hidden file itself, such as ``!.env``."""
    return line.rstrip("\r\n ").rstrip("/").removeprefix("!").rpartition("/")[2].startswith(".")


def _last(path: str, patterns: Sequence[Pattern], *, is_directory: bool) -> Pattern | None:
    for pattern in reversed(patterns):
        if pattern.only_directories and not is_directory:
            continue
        if path.startswith(pattern.base) and pattern.matches.fullmatch(path[len(pattern.base) :]):
            return pattern
    return None


def _read(line: str, base: str) -> Pattern | None:
    # Final spaces do not count, except after a backslash.
    line = re.sub(r"(?<!\\) +$", "", line)
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    line = line[negated:]
    only_directories = line.endswith("/")
    line = line.rstrip("/") if only_directories else line
    is_anchored = "/" in line
    line = line.removeprefix("/")
    if not line:
        return None
    expression = _translated(line)
    if expression is None:
        return None
    try:
        matches = re.compile(expression if is_anchored else f"(?:.*/)?{expression}", re.DOTALL)
    except re.error:  # such as a backward range, which matches nothing in git either
        return None
    return Pattern(base, matches, negated, only_directories)


def _translated(glob: str) -> str | None:
    """Return a glob as a regular expression; None for a glob without matches."""
    made, at = [], 0
    while at < len(glob):
        here = glob[at]
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            made.append("(?:.*/)?")
            at += 3
        elif glob[at:] == "**" and at > 0 and glob[at - 1] == "/":
            made.append(".+")
            at += 2
        elif here == "*":
            while at < len(glob) and glob[at] == "*":
                at += 1
            made.append("[^/]*")
        elif here == "?":
            made.append("[^/]")
            at += 1
        elif here == "[":
            end = glob.find("]", at + (3 if glob[at + 1 : at + 2] in ("!", "^") else 2))
            if end < 0:
                return None
            inside = glob[at + 1 : end]
            is_not = inside[0] in "!^"
            inside = inside[is_not:].replace("\\", "\\\\").replace("[", r"\[").replace("^", r"\^")
            for operator in ("&&", "||", "~~"):  # Python may read them as set operations one day
                inside = inside.replace(operator, f"{operator[0]}\\{operator[1]}")
            made.append(f"(?!/)[{'^' if is_not else ''}{inside}]")
            at = end + 1
        elif here == "\\":
            if at + 1 == len(glob):
                return None
            made.append(re.escape(glob[at + 1]))
            at += 2
        else:
            made.append(re.escape(here))
            at += 1
    return "".join(made)
