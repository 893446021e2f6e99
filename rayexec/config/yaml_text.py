"""YAML texts with the offsets of their keys and values, read within limits.

Reading goes over the events of PyYAML's parser, without recursion, so that no text can exhaust the
stack, and refuses aliases that multiply a text (the "billion laughs").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from rayexec.config.yaml_problems import (
    PlacedProblem,
    YamlTextError,
    decoded,
    line_starts,
    pyyaml_error,
    text_error,
    text_problem,
)

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

_BRACKET = re.compile(r"[\[\]{}]")
_MOST_BRACKETS = 256
_INDICATORS = re.compile(r"(?:[-?:][ \t]+){256}")
_MERGE = "tag:yaml.org,2002:merge"
_STR = "tag:yaml.org,2002:str"
# The parser in C is 15 times faster. It reads these differently, and has other messages.
_FAST_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READ_DIFFERENTLY = re.compile(r"[\t!]|[|>][-+0-9]*#")


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
        for own in self.entries:
            if own.name == name and not own.is_merge:
                return own
        for own in self.entries:
            if own.is_merge:
                for merged in own.value.items or [own.value]:
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
        self._lines = line_starts(text)

    def placed(
        self, start: int, end: int, path: tuple[str, ...], message: str, fix: str | None = None
    ) -> PlacedProblem:
        """Return a problem at a range of offsets."""
        return text_problem(self._lines, start, end, path, message, fix)


def read_yaml_text(given: str | bytes, *, max_characters: int | None = MAX_CHARACTERS) -> YamlText:
    """Return a YAML text with its value. Raises YamlTextError.

    A repeated key is an error, since one of its values would be lost; all of them are reported.
    """
    text = decoded(given) if isinstance(given, bytes) else given
    if max_characters is not None and len(text) > max_characters:
        raise text_error(text, 0, 0, f"the text has more than {max_characters:,} characters")
    _check_nesting(text)
    composer = _Composer(text)
    try:
        root = composer.composed()
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise pyyaml_error(text, error) from None
    return YamlText(text, root, composer.value(root))


def _check_nesting(text: str) -> None:
    """Raise YamlTextError for nesting so deep that PyYAML's scanner would take very long."""
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth = depth + 1 if bracket[0] in "[{" else max(0, depth - 1)
        if depth > _MOST_BRACKETS:
            start = bracket.start()
            raise text_error(text, start, start, f"more than {_MOST_BRACKETS} brackets are open")
    if (match := _INDICATORS.search(text)) is not None:
        raise text_error(text, match.start(), match.start(), "this is nested too deeply")


class _Composer:
    """Composes nodes from events, and their value."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shift = int(text.startswith("\ufeff"))
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
            raise text_error(
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
            raise pyyaml_error(self._text, error) from None
        except (ValueError, OverflowError, RecursionError) as error:
            loader = yaml.SafeLoader("")
            for scalar in _scalars(root):  # such as an impossible date
                try:
                    loader.construct_document(scalar.node)
                except (ValueError, OverflowError) as reason:
                    raise text_error(self._text, scalar.start, scalar.end, str(reason)) from None
            raise text_error(self._text, root.start, root.start, str(error)) from None

    def _fails(self, event: Any, message: str) -> YamlTextError:
        start, end = self._offsets(event)
        return text_error(self._text, start, end, message)

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
                lines = line_starts(self._text)
                self._repeated.append(
                    text_problem(lines, entry.key.start, entry.key.end, (value,), message)
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
