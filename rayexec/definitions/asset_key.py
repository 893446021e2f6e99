"""Names of assets: tables, files, models."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import total_ordering
from typing import TypeAlias

from rayexec.errors import DefinitionError

__all__ = ["AssetKey", "CoercibleToAssetKey"]

_NO_PART_OF_A_NAME = re.compile("[^a-zA-Z0-9_]")


@total_ordering
@dataclass(frozen=True, init=False)
class AssetKey:
    """The name of a table, file or model: one part or several, the outermost first.

    Raises DefinitionError for anything but a string or a sequence of strings.
    """

    parts: tuple[str, ...]

    def __init__(self, path: str | Sequence[str]) -> None:
        if isinstance(path, str):
            parts: tuple[str, ...] = (path,)
        elif isinstance(path, (list, tuple)) and all(isinstance(each, str) for each in path):
            parts = tuple(path)
        else:
            raise DefinitionError(f"an AssetKey is a string or a list of strings, got {path!r}.")
        object.__setattr__(self, "parts", parts)

    @staticmethod
    def from_coercible(given: CoercibleToAssetKey) -> AssetKey:
        """Return ``given`` as a key: a key itself, one part, or a sequence of parts."""
        return given if isinstance(given, AssetKey) else AssetKey(given)

    @staticmethod
    def from_user_string(text: str) -> AssetKey:
        """Return the key of ``"a/b"``."""
        return AssetKey(text.split("/"))

    @staticmethod
    def from_db_string(text: str | None) -> AssetKey | None:
        """Return the key of ``'["a", "b"]'`` or of ``"a/b"``; None for no text."""
        if not text:
            return None
        if text.startswith("["):
            try:
                return AssetKey(json.loads(text))
            except ValueError:
                pass
        return AssetKey.parse(text)

    @staticmethod
    def parse(text: str) -> AssetKey:
        """Return the key of a path in any notation, such as ``"s3://a/b"``."""
        return AssetKey([part for part in _NO_PART_OF_A_NAME.split(text) if part])

    @property
    def path(self) -> list[str]:
        """The parts as a list."""
        return list(self.parts)

    def to_user_string(self) -> str:
        """Return ``"a/b"``."""
        return "/".join(self.parts)

    def to_string(self) -> str:
        """Return ``'["a", "b"]'``."""
        return json.dumps(self.path)

    def to_python_identifier(self, suffix: str | None = None) -> str:
        """Return ``"a__b"``, a name for ops and IO managers, with ``suffix`` as a last part."""
        parts = self.parts if suffix is None else (*self.parts, suffix)
        return "__".join(parts).replace("-", "_").replace(".", "_")

    def has_prefix(self, prefix: Sequence[str]) -> bool:
        """Whether the key begins with these parts."""
        return self.parts[: len(prefix)] == tuple(prefix)

    def with_prefix(self, prefix: str | Sequence[str]) -> AssetKey:
        """Return the key with more parts in front."""
        return AssetKey([*([prefix] if isinstance(prefix, str) else prefix), *self.parts])

    def __lt__(self, other: object) -> bool:
        return self.parts < other.parts if isinstance(other, AssetKey) else NotImplemented

    def __repr__(self) -> str:
        return f"AssetKey({self.path})"


CoercibleToAssetKey: TypeAlias = "AssetKey | str | Sequence[str]"
