"""Changes of a YAML text: keys added or removed, and every other byte as it is.

Each change is checked: the new text must mean the old document with just these keys more or less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from rayexec.config.yaml_text import (
    TextEntry,
    TextNode,
    YamlText,
    YamlTextError,
    read_yaml_text,
)

__all__ = ["Edit", "KeyPath", "with_comment", "with_values", "without_keys"]

KeyPath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """A changed text, with the paths of the keys that are new in it, and of those that went."""

    text: str
    added: tuple[KeyPath, ...] = ()
    removed: tuple[KeyPath, ...] = ()
    #: Offsets in the old text with what is inserted there.
    insertions: tuple[tuple[int, str], ...] = ()
    #: Ranges of the old text that went.
    cuts: tuple[tuple[int, int], ...] = ()


def with_values(read: YamlText, wanted: Sequence[tuple[KeyPath, Any]]) -> Edit:
    """Return the text with values at paths where it has none."""
    groups: dict[KeyPath, list[tuple[KeyPath, Any]]] = {}
    for path, value in wanted:
        above = _room(read.value, path)
        if above is not None:
            groups.setdefault(above, []).append((path, value))
    # Keys of an inner mapping come first, where both mappings end on one line.
    order = sorted(groups, key=len, reverse=True)
    edit = _with_groups(read, [(above, groups[above]) for above in order])
    if edit is not None:
        return edit
    fitting: list[tuple[KeyPath, list[tuple[KeyPath, Any]]]] = []
    for above in order:
        if _with_groups(read, [*fitting, (above, groups[above])]) is not None:
            fitting.append((above, groups[above]))
    return _with_groups(read, fitting) or Edit(read.text)


def _with_groups(
    read: YamlText, groups: Sequence[tuple[KeyPath, Sequence[tuple[KeyPath, Any]]]]
) -> Edit | None:
    """Return the text with values below some mappings; None unless it means just that."""
    document = {} if read.value is None else _unshared(read.value)
    insertions = []
    added: list[KeyPath] = []
    for above, values in groups:
        section: dict[str, Any] = {}
        for path, value in values:
            inner = section
            for key in path[len(above) : -1]:
                inner = inner.setdefault(key, {})
            inner[path[-1]] = value
            added.append(path)
        insertion = _insertion(read, above, section)
        if insertion is None:
            return None
        insertions.append(insertion)
        _merge(document, above, section)
    insertions.sort(key=lambda one: one[0])
    text = _inserted(read.text, insertions)
    if (_value_of(text) or {}) != document:
        return None
    return Edit(text, added=tuple(added), insertions=tuple(insertions))


def _room(value: Any, path: KeyPath) -> KeyPath | None:
    """Return the path of the deepest mapping above ``path``; None where something is there."""
    for depth, key in enumerate(path):
        if value is None:
            return path[:depth]
        if not isinstance(value, Mapping):
            return None
        if key not in value:
            return path[:depth]
        value = value[key]
    return None


def _unshared(value: Any) -> Any:
    """Return a copy in which aliases are values of their own."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value


def _merge(document: dict[str, Any], above: KeyPath, section: Mapping[str, Any]) -> None:
    """Add keys to the mapping at ``above``, which may be null."""
    inner = document
    for key in above:
        if inner[key] is None:
            inner[key] = {}
        inner = inner[key]
    inner.update(section)


def _value_of(text: str) -> Any:
    try:
        return read_yaml_text(text, max_characters=None).value
    except YamlTextError:
        return YamlTextError  # equals no value


def _inserted(text: str, insertions: Iterable[tuple[int, str]]) -> str:
    parts, end = [], 0
    for offset, more in insertions:
        parts += [text[end:offset], more]
        end = offset
    return "".join([*parts, text[end:]])


def _insertion(
    read: YamlText, above: KeyPath, section: Mapping[str, Any]
) -> tuple[int, str] | None:
    """Return the offset and the text that add keys to the mapping at ``above``."""
    text, pair, node = read.text, None, read.root
    for key in above:
        pair = next((each for each in node.entries if each.name == key), None) if node else None
        if pair is None or pair.is_merge or pair.value.is_alias:
            return None
        node = pair.value
    if node is None:
        return _at_end(text, _block(section, 0, text))
    if not node.is_mapping:  # null
        if pair is None:
            return _at_end(text, _block(section, 0, text))
        if node.end > node.start:
            return None
        if _is_in_flow(read.root, pair):
            return node.end, f" {_flow(section)}"
        return _below(text, node.end, _block(section, _column(text, pair.key.start) + 2, text))
    if node.is_flow:
        if node.entries:
            return node.entries[-1].value.end, f", {_flow(section)[1:-1]}"
        return node.start + text[node.start :].index("{") + 1, _flow(section)[1:-1] + " "
    lines = _block(section, _column(text, node.entries[0].key.start), text)
    last = node.last_scalar()
    end = node.content_end()
    if (
        end == len(text)
        and isinstance(last.node, yaml.ScalarNode)
        and last.node.style in ("|", ">")
    ):
        # Behind a block scalar without a line end, lines would change its value.
        start = node.entries[0].key.start
        line = _line_start(text, start)
        return (line, lines) if not text[line:start].strip() else None
    return _below(text, end, lines)


def _is_in_flow(root: TextNode | None, pair: TextEntry) -> bool:
    """Whether an pair is in a flow mapping, at any depth."""
    left = [root] if root is not None else []
    while left:
        node = left.pop()
        if any(each is pair for each in node.entries):
            return node.is_flow
        left += [each.value for each in node.entries if not each.value.is_alias]
        left += [each for each in node.items if not each.is_alias]
    return False


def _newline(text: str) -> str:
    end = text.find("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def _line_start(text: str, offset: int) -> int:
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def _column(text: str, offset: int) -> int:
    start = _line_start(text, offset)
    return offset - start - int(start == 0 and text.startswith("\ufeff"))


def _below(text: str, end: int, lines: str) -> tuple[int, str]:
    """Return the insertion of lines below the line of an offset."""
    if end and text[end - 1] in "\r\n":  # The end of a block scalar is on its next line.
        return end, lines
    line_end = text.find("\n", end)
    if line_end < 0:
        newline = _newline(text)
        return len(text), newline + lines.removesuffix(newline)
    return line_end + 1, lines


def _at_end(text: str, lines: str) -> tuple[int, str]:
    newline = _newline(text)
    body = text.removeprefix("\ufeff")
    if body and not body.endswith(("\n", "\r")):
        lines = newline + lines.removesuffix(newline)
    return len(text), lines


def _block(section: Mapping[str, Any], indent: int, text: str) -> str:
    dumped = yaml.safe_dump(
        dict(section), sort_keys=False, allow_unicode=True, default_flow_style=False, width=10_000
    )
    newline = _newline(text)
    return "".join(f"{' ' * indent}{line}{newline}" for line in dumped.splitlines())


def _flow(section: Mapping[str, Any]) -> str:
    dumped: str = yaml.safe_dump(
        dict(section), sort_keys=False, allow_unicode=True, default_flow_style=True, width=100_000
    )
    return dumped.strip()


def with_comment(edit: Edit, lines: list[str]) -> Edit:
    """Return an edit with comments at the end of the text, unless they are in it already."""
    newline = _newline(edit.text)
    comment = "".join(f"{line}{newline}" for line in lines)
    if not lines or lines[0] in edit.text:
        return edit
    text = edit.text
    more = (_at_end(text, comment))[1]
    if _value_of(text + more) != _value_of(text):
        return edit
    old = len(text) - sum(len(inserted) for _, inserted in edit.insertions)
    return Edit(text + more, edit.added, edit.removed, (*edit.insertions, (old, more)))


# Removal.


def without_keys(read: YamlText, paths: Iterable[KeyPath]) -> Edit:
    """Return the text without the keys at paths, and without what is empty then."""
    going = _joined(read.value, paths)
    edit = _without(read, going)
    if edit is not None:
        return edit
    fitting: list[KeyPath] = []
    for path in going:
        if _without(read, [*fitting, path]) is not None:
            fitting.append(path)
    return _without(read, fitting) or Edit(read.text)


def _without(read: YamlText, paths: Sequence[KeyPath]) -> Edit | None:
    """Return the text without keys; None unless it means just that."""
    document = _unshared(read.value)
    cuts: list[tuple[int, int]] = []
    for path in paths:
        cut = _cut(read, path, cuts)
        if cut is None:
            return None
        cuts.append(cut)
        section = _at(document, path[:-1])
        for key in [key for key in section if str(key) == path[-1]]:
            del section[key]
    text = _cut_out(read.text, cuts)
    if (_value_of(text) or {}) != (document or {}):
        return None
    return Edit(text, removed=tuple(paths), cuts=tuple(sorted(cuts)))


def _joined(document: Any, paths: Iterable[KeyPath]) -> list[KeyPath]:
    """Return paths, those of mappings instead of all of their keys."""
    going = set(paths)
    while True:
        above = {path[:-1] for path in going if len(path) > 1}
        empty = [
            path
            for path in above
            if path not in going and all((*path, str(key)) in going for key in _at(document, path))
        ]
        if not empty:
            break
        for path in empty:
            going = {each for each in going if each[: len(path)] != path} | {path}
    return sorted(going)


def _at(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = next(inner for name, inner in value.items() if str(name) == key)
    return value


def _cut(read: YamlText, path: KeyPath, cuts: list[tuple[int, int]]) -> tuple[int, int] | None:
    text, node = read.text, read.root
    for key in path[:-1]:
        pair = next((each for each in node.entries if each.name == key), None) if node else None
        if pair is None or pair.value.is_alias:
            return None
        node = pair.value
    if node is None or not node.entries:
        return None
    position = next(
        (index for index, each in enumerate(node.entries) if each.name == path[-1]), None
    )
    if position is None:
        return None
    pair = node.entries[position]
    if node.is_flow:
        return _cut_in_flow(node, position, cuts)
    start = _line_start(text, pair.key.start)
    if text[start : pair.key.start].strip(" \ufeff"):
        return None
    start += int(text[start : start + 1] == "\ufeff")
    end = pair.value.content_end()
    if end and text[end - 1] in "\r\n":
        return start, end
    line_end = text.find("\n", end)
    return start, len(text) if line_end < 0 else line_end + 1


def _cut_in_flow(
    node: TextNode, position: int, cuts: list[tuple[int, int]]
) -> tuple[int, int] | None:
    pair, end = node.entries[position], node.entries[position].value.end
    stays = [
        each.value.end
        for each in node.entries[:position]
        if not any(start <= each.key.start < stop for start, stop in cuts)
    ]
    if stays:
        return max([stays[-1], *(stop for _, stop in cuts if stop <= pair.key.start)]), end
    if position + 1 < len(node.entries):
        return pair.key.start, node.entries[position + 1].key.start
    return pair.key.start, end


def _cut_out(text: str, cuts: Iterable[tuple[int, int]]) -> str:
    for start, end in sorted(cuts, reverse=True):
        text = text[:start] + text[end:]
    return text
