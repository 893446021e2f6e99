"""Problems of YAML texts with their places, and PyYAML's errors as such."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from rayexec.errors import LoadError

__all__ = [
    "PlacedProblem",
    "YamlTextError",
    "decoded",
    "line_starts",
    "pyyaml_error",
    "text_error",
    "text_problem",
]

_LINE_END = re.compile(r"\r\n|\n|\r")
# The Python parser has the better messages, and needs a second for this many characters.
_MOST_PARSED_TWICE = 100_000


@dataclass(frozen=True, slots=True)
class PlacedProblem:
    """A problem with its range in a text; lines and columns begin at 1 and count characters."""

    line: int
    column: int
    end_line: int
    #: The column behind the last character.
    end_column: int
    path: tuple[str, ...]
    message: str
    #: Text to put in the place of the range, where one is likely.
    fix: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
            "path": list(self.path),
            "message": self.message,
            "fix": self.fix,
        }


class YamlTextError(LoadError):
    """A text is no YAML of one document within the limits; ``problems`` has at least one."""

    def __init__(self, problems: Iterable[PlacedProblem], context: str = "") -> None:
        self.problems = tuple(problems)
        #: Circumstances of the first problem, such as ``while parsing a flow mapping``.
        self.context = context
        super().__init__(self.problems[0].message)


def decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        raise text_error(
            before,
            len(before),
            len(before),
            f"this is not UTF-8 text: {error.reason} at byte {error.start}",
        ) from None


def line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


def text_problem(
    lines: list[int],
    start: int,
    end: int,
    path: tuple[str, ...],
    message: str,
    fix: str | None = None,
) -> PlacedProblem:
    first, last = bisect_right(lines, start), bisect_right(lines, max(start, end))
    return PlacedProblem(
        first,
        start - lines[first - 1] + 1,
        last,
        max(start, end) - lines[last - 1] + 1,
        path,
        message,
        fix,
    )


def text_error(text: str, start: int, end: int, message: str, context: str = "") -> YamlTextError:
    return YamlTextError([text_problem(line_starts(text), start, end, (), message)], context)


def pyyaml_error(text: str, error: yaml.YAMLError | UnicodeEncodeError) -> YamlTextError:
    """Return an error of PyYAML with its place; messages are those of its Python parser."""
    shift = int(text.startswith("\ufeff"))
    if isinstance(error, UnicodeEncodeError):
        return text_error(text, error.start + shift, error.end + shift, "a character is no Unicode")
    if len(text) <= _MOST_PARSED_TWICE:
        try:
            for _ in yaml.parse(text[shift:], yaml.SafeLoader):
                pass
        except yaml.YAMLError as plainer:
            error = plainer
    if isinstance(error, yaml.reader.ReaderError):
        reason = f"the character U+{int(error.character):04X} is not allowed"
        start = min(len(text), error.position + shift)
        return text_error(text, start, start + 1, reason)
    if not isinstance(error, yaml.MarkedYAMLError):
        return text_error(text, 0, 0, str(error))
    mark = error.problem_mark or error.context_mark
    reason = error.problem or error.context or "it cannot be read"
    if "\\t" in reason:
        reason += "; YAML indents by spaces, not by tabs"
    start = 0 if mark is None else min(len(text), mark.index + shift)
    context = error.context if error.context and error.problem else ""
    return text_error(text, start, start + 1 if start < len(text) else start, reason, context)
