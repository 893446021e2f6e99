"""Faults of rayexec itself, as this terminal shows them."""

from __future__ import annotations

import sys
import traceback
import unicodedata

__all__ = ["print_traceback"]

# Controls, formats (directions of text are among them), half surrogates, ends of lines.
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def print_traceback(error: BaseException) -> None:
    """Write a traceback; what a record or a request put into it commands no terminal."""
    text = "".join(traceback.format_exception(error))
    sys.stderr.write("".join(map(_shown, text)))


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _ESCAPED:
        return character
    return character.encode("unicode-escape").decode()
