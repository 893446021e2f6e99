"""Bodies about cached outputs."""

from __future__ import annotations

from pydantic import Field

from rayexec.web.models.base import Model

__all__ = ["CacheAnswer", "CacheDeletion", "DeletedAnswer"]


class CachedOp(Model):
    """Cached outputs of one op, ``(unreadable)`` for damaged ones; times in seconds since 1970."""

    op: str = Field(
        description="Name of the op; `(unreadable)` for damaged entries.", examples=["features"]
    )
    count: int = Field(description="Number of cached outputs.", examples=[12])
    bytes: int = Field(description="Size of all of them in bytes.", examples=[1048576])
    hits: int | None = Field(
        description="Number of steps that reused one; null where nothing counts them.",
        examples=[40],
    )
    newest: float | None = Field(
        description="When the newest was stored, in seconds since 1970.", examples=[1796000000.0]
    )
    oldest: float | None = Field(
        description="When the oldest was stored, in seconds since 1970.", examples=[1795000000.0]
    )


class CacheAnswer(Model):
    """All cached outputs, the largest ops first."""

    entries: list[CachedOp] = Field(description="Sums by op, the largest first.")
    bytes: int = Field(description="Size of all cached outputs in bytes.", examples=[1048576])


class CacheDeletion(Model):
    """What to remove: the outputs of one op, or all of them without it."""

    op: str | None = Field(
        default=None,
        description="Name of the op whose cached outputs go; all without it.",
        examples=["features"],
    )


class DeletedAnswer(Model):
    """What went: the number of entries, and their bytes."""

    deleted: int = Field(description="Number of cached outputs that went.", examples=[12])
    bytes: int = Field(description="Their size in bytes.", examples=[1048576])
