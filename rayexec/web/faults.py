"""Faults of rayexec itself, as this terminal shows them: each of them once, and as plain text."""

from __future__ import annotations

import sys
import traceback
import unicodedata

__all__ = ["report_fault"]

_MOST_SHOWN = 20
# Controls, formats (directions of text are among them), half surrogates, ends of lines.
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_reported: set[tuple[str, ...]] = set()


def report_fault(error: BaseException) -> None:
    """Print the traceback of a fault, unless one of the same places was printed before.

    A page may ask for the same again each second, which would fill the terminal. What a record or
    a request put into it commands no terminal.
    """
    frames = traceback.extract_tb(error.__traceback__)
    mark = (type(error).__name__, *(f"{frame.filename}:{frame.lineno}" for frame in frames[-3:]))
    if mark in _reported or len(_reported) > _MOST_SHOWN:
        return
    _reported.add(mark)
    if len(_reported) > _MOST_SHOWN:
        sys.stderr.write("There are more faults, which are not printed any more.\n")
    else:
        text = "".join(traceback.format_exception(error))
        sys.stderr.write("".join(map(_shown, text)))


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _ESCAPED:
        return character
    return character.encode("unicode-escape").decode()
