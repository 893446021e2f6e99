"""YAML texts with the offsets of their keys and values, read within limits.

Reading goes over the events of PyYAML's parser, without recursion, so that no text can exhaust the
stack, and refuses aliases that multiply a text (the "billion laughs").
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from rayexec.errors import LoadError

__all__ = [
    "MAX_CHARACTERS",
    "PlacedProblem",
    "TextEntry",
    "TextNode",
    "YamlText",
    "YamlTextError",
    "read_yaml_text",
]

#: The longest text of an editor.
MAX_CHARACTERS = 1_048_576
MAX_DEPTH = 64
# Aliases may make a document larger than its text by this much.
_MOST_GROWTH = 10
_GROWTH_OF_ANY_TEXT = 10_000

_LINE_END = re.compile(r"\r\n|\n|\r")
_BRACKET = re.compile(r"[\[\]{}]")
_MOST_BRACKETS = 256
_INDICATORS = re.compile(r"(?:[-?:][ \t]+){256}")
# The Python parser has the better messages, and needs a second for this many characters.
_MOST_PARSED_TWICE = 100_000
_MERGE = "tag:yaml.org,2002:merge"
_STR = "tag:yaml.org,2002:str"
# The parser in C is 15 times faster. It reads these differently, and has other messages.
_FAST_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READ_DIFFERENTLY = re.compile(r"[\t!]|[|>][-+0-9]*#")


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


@dataclass(eq=False, slots=True)
class TextNode:
    """A value in a text, by its offsets; an alias has the content of its anchor."""

    start: int
    end: int
    node: yaml.Node
    is_flow: bool = False
    is_alias: bool = False
    entries: list[TextEntry] = field(default_factory=list)
    items: list[TextNode] = field(default_factory=list)
    #: Number of values in it, with those of aliases.
    size: int = 1

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping, or an alias of one."""
        return isinstance(self.node, yaml.MappingNode)

    def content_end(self) -> int:
        """Return the offset behind the last character of the value."""
        here = self
        while not (here.is_alias or here.is_flow) and (here.entries or here.items):
            here = here.entries[-1].value if here.entries else here.items[-1]
        return here.end

    def last_scalar(self) -> TextNode:
        """Return the last value in it, or itself."""
        here = self
        while not (here.is_alias or here.is_flow) and (here.entries or here.items):
            here = here.entries[-1].value if here.entries else here.items[-1]
        return here

    def entry(self, name: str) -> TextEntry | None:
        """Return the entry of a key, also one that a merge (``<<``) brings."""
        for each in self.entries:
            if each.name == name and not each.is_merge:
                return each
        for each in self.entries:
            if each.is_merge:
                for merged in each.value.items or [each.value]:
                    if (inner := merged.entry(name)) is not None:
                        return inner
        return None


@dataclass(eq=False, slots=True)
class TextEntry:
    """One key of a mapping with its value."""

    key: TextNode
    value: TextNode
    #: The key as a path has it, None for a key that is no scalar.
    name: str | None

    @property
    def is_merge(self) -> bool:
        """Whether it brings the keys of other mappings."""
        return self.key.node.tag == _MERGE


class YamlText:
    """A YAML text of one document: its value, and its nodes with their offsets."""

    def __init__(self, text: str, root: TextNode | None, value: Any) -> None:
        self.text = text
        #: None for a text without a value.
        self.root = root
        self.value = value
        self._lines = _line_starts(text)

    def placed(
        self, start: int, end: int, path: tuple[str, ...], message: str, fix: str | None = None
    ) -> PlacedProblem:
        """Return a problem at a range of offsets."""
        return _placed(self._lines, start, end, path, message, fix)


def read_yaml_text(given: str | bytes, *, max_characters: int | None = MAX_CHARACTERS) -> YamlText:
    """Return a YAML text with its value. Raises YamlTextError.

    A repeated key is an error, since one of its values would be lost; all of them are reported.
    """
    text = _decoded(given) if isinstance(given, bytes) else given
    if max_characters is not None and len(text) > max_characters:
        raise _error(text, 0, 0, f"the text has more than {max_characters:,} characters")
    _check_nesting(text)
    composer = _Composer(text)
    try:
        root = composer.composed()
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise _described(text, error) from None
    return YamlText(text, root, composer.value(root))


def _check_nesting(text: str) -> None:
    """Raise YamlTextError for nesting so deep that PyYAML's scanner would take very long."""
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth = depth + 1 if bracket[0] in "[{" else max(0, depth - 1)
        if depth > _MOST_BRACKETS:
            start = bracket.start()
            raise _error(text, start, start, f"more than {_MOST_BRACKETS} brackets are open")
    if (match := _INDICATORS.search(text)) is not None:
        raise _error(text, match.start(), match.start(), "this is nested too deeply")


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        raise _error(
            before,
            len(before),
            len(before),
            f"this is not UTF-8 text: {error.reason} at byte {error.start}",
        ) from None


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


def _placed(
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


def _error(text: str, start: int, end: int, message: str, context: str = "") -> YamlTextError:
    return YamlTextError([_placed(_line_starts(text), start, end, (), message)], context)


def _described(text: str, error: yaml.YAMLError | UnicodeEncodeError) -> YamlTextError:
    """Return an error of PyYAML with its place; messages are those of its Python parser."""
    shift = _bom(text)
    if isinstance(error, UnicodeEncodeError):
        return _error(text, error.start + shift, error.end + shift, "a character is no Unicode")
    if len(text) <= _MOST_PARSED_TWICE:
        try:
            for _ in yaml.parse(text[shift:], yaml.SafeLoader):
                pass
        except yaml.YAMLError as plainer:
            error = plainer
    if isinstance(error, yaml.reader.ReaderError):
        reason = f"the character U+{int(error.character):04X} is not allowed"
        start = min(len(text), error.position + shift)
        return _error(text, start, start + 1, reason)
    if not isinstance(error, yaml.MarkedYAMLError):
        return _error(text, 0, 0, str(error))
    mark = error.problem_mark or error.context_mark
    reason = error.problem or error.context or "it cannot be read"
    if "\\t" in reason:
        reason += "; YAML indents by spaces, not by tabs"
    start = 0 if mark is None else min(len(text), mark.index + shift)
    context = error.context if error.context and error.problem else ""
    return _error(text, start, start + 1 if start < len(text) else start, reason, context)


def _bom(text: str) -> int:
    return int(text.startswith("\ufeff"))


class _Composer:
    """Composes nodes from events, and their value."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shift = _bom(text)
        self._loader: Any = yaml.SafeLoader("")
        self._anchors: dict[str, TextNode] = {}
        self._open: list[TextNode] = []
        self._keys: list[TextNode | None] = []
        self._root: TextNode | None = None
        self._count = 0
        self._repeated: list[PlacedProblem] = []

    def composed(self) -> TextNode | None:
        documents = 0
        parser = yaml.SafeLoader if _READ_DIFFERENTLY.search(self._text) else _FAST_PARSER
        for event in yaml.parse(self._text[self._shift :], parser):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._fails(
                        event, "run config is one document, and here another one begins"
                    )
            elif isinstance(event, yaml.AliasEvent):
                self._add(self._alias(event))
            elif isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event))
            elif isinstance(event, yaml.CollectionStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end(event)
        if self._repeated:
            raise YamlTextError(self._repeated)
        root = self._root
        if root is not None and root.size > self._count * _MOST_GROWTH + _GROWTH_OF_ANY_TEXT:
            raise _error(
                self._text,
                root.start,
                root.start,
                f"its aliases make {root.size:,} values of {self._count:,}",
            )
        return root

    def value(self, root: TextNode | None) -> Any:
        """Return the value of the document. Raises YamlTextError."""
        if root is None:
            return None
        try:
            return self._loader.construct_document(root.node)
        except yaml.YAMLError as error:
            raise _described(self._text, error) from None
        except (ValueError, OverflowError, RecursionError) as error:
            loader = yaml.SafeLoader("")
            for scalar in _scalars(root):  # such as an impossible date
                try:
                    loader.construct_document(scalar.node)
                except (ValueError, OverflowError) as reason:
                    raise _error(self._text, scalar.start, scalar.end, str(reason)) from None
            raise _error(self._text, root.start, root.start, str(error)) from None

    def _fails(self, event: Any, message: str) -> YamlTextError:
        start, end = self._offsets(event)
        return _error(self._text, start, end, message)

    def _offsets(self, event: Any) -> tuple[int, int]:
        return event.start_mark.index + self._shift, event.end_mark.index + self._shift

    def _alias(self, event: yaml.AliasEvent) -> TextNode:
        target = self._anchors.get(str(event.anchor))
        if target is None:
            raise self._fails(event, f"found undefined alias {event.anchor!r}")
        if target in self._open:
            raise self._fails(event, f"the anchor {event.anchor!r} contains itself")
        start, end = self._offsets(event)
        return TextNode(
            start,
            end,
            target.node,
            target.is_flow,
            True,
            target.entries,
            target.items,
            target.size,
        )

    def _scalar(self, event: yaml.ScalarEvent) -> TextNode:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        start: Any = event.start_mark
        end: Any = event.end_mark
        node = yaml.ScalarNode(tag, event.value, start, end, event.style)
        made = TextNode(*self._offsets(event), node)
        self._anchor(event, made)
        return made

    def _begin(self, event: Any) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise self._fails(event, f"more than {MAX_DEPTH} levels inside of each other")
        kind: Any = (
            yaml.MappingNode if isinstance(event, yaml.MappingStartEvent) else yaml.SequenceNode
        )
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._loader.resolve(kind, None, event.implicit)
        node = kind(tag, [], event.start_mark, event.end_mark, event.flow_style)
        made = TextNode(*self._offsets(event), node, bool(event.flow_style))
        self._anchor(event, made)
        self._open.append(made)
        self._keys.append(None)

    def _anchor(self, event: Any, node: TextNode) -> None:
        if event.anchor is None:
            return
        if event.anchor in self._anchors:
            raise self._fails(event, f"the anchor {event.anchor!r} is there already")
        self._anchors[event.anchor] = node

    def _end(self, event: Any) -> None:
        node = self._open.pop()
        self._keys.pop()
        node.end = self._offsets(event)[1]
        if node.is_mapping:
            self._note_repeated(node)
        self._add(node)

    def _add(self, node: TextNode) -> None:
        self._count += 1
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        if not parent.is_mapping:
            parent.items.append(node)
            parent.node.value.append(node.node)
            return
        key = self._keys[-1]
        if key is None:
            self._keys[-1] = node
            return
        self._keys[-1] = None
        parent.entries.append(TextEntry(key, node, self._name(key)))
        parent.node.value.append((key.node, node.node))

    def _name(self, key: TextNode) -> str | None:
        if not isinstance(key.node, yaml.ScalarNode):
            return None
        if key.node.tag in (_STR, _MERGE):
            return str(key.node.value)
        try:
            return str(self._loader.construct_object(key.node))
        except (yaml.YAMLError, ValueError, OverflowError):
            return str(key.node.value)

    def _note_repeated(self, node: TextNode) -> None:
        seen: set[str] = set()
        for entry in node.entries:
            if entry.is_merge or not isinstance(entry.key.node, yaml.ScalarNode):
                continue
            value = entry.key.node.value
            if value in seen:
                message = f"the key {value!r} is already in this mapping"
                lines = _line_starts(self._text)
                self._repeated.append(
                    _placed(lines, entry.key.start, entry.key.end, (value,), message)
                )
            seen.add(value)


def _scalars(root: TextNode) -> Iterator[TextNode]:
    left = [root]
    while left:
        node = left.pop()
        if isinstance(node.node, yaml.ScalarNode):
            yield node
        elif not node.is_alias:
            for entry in reversed(node.entries):
                left += [entry.value, entry.key]
            left += reversed(node.items)
