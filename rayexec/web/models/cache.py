"""Bodies about cached outputs."""

from __future__ import annotations

from rayexec.web.models.base import Model

__all__ = ["CacheAnswer", "CacheDeletion", "DeletedAnswer"]


class CachedOp(Model):
    """Cached outputs of one op, ``(unreadable)`` for damaged ones; times in seconds since 1970."""

    op: str
    count: int
    bytes: int
    hits: int | None
    newest: float | None
    oldest: float | None


class CacheAnswer(Model):
    """All cached outputs, the largest ops first."""

    entries: list[CachedOp]
    bytes: int


class CacheDeletion(Model):
    """What to remove: the outputs of one op, or all of them without it."""

    op: str | None = None


class DeletedAnswer(Model):
    """What went: the number of entries, and their bytes."""

    deleted: int
    bytes: int
