"""Endpoints of cached outputs."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from rayexec.views.cache_sums import chosen_entries, remove_entries, sums_by_op
from rayexec.web.endpoints import Call, delete, get
from rayexec.web.models.base import NoQuery
from rayexec.web.models.cache import CacheAnswer, CacheDeletion, DeletedAnswer
from rayexec.web.session import Session

__all__ = ["routes"]


def routes(session: Session) -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        get("api/cache", _list, CacheAnswer, "Cached outputs by op."),
        delete(
            "api/cache",
            _delete,
            DeletedAnswer,
            "Remove the cached outputs of an op, or all of them.",
            body=CacheDeletion,
        ),
    ]


def _list(call: Call[NoQuery]) -> dict[str, Any]:
    sums = sums_by_op(chosen_entries(call.session.store.cache()))
    return {
        "entries": [
            {
                "op": one.op,
                "count": one.count,
                "bytes": one.size,
                "hits": one.hits,
                "newest": one.newest,
                "oldest": one.oldest,
            }
            for one in sums
        ],
        "bytes": sum(one.size for one in sums),
    }


async def _delete(call: Call[CacheDeletion]) -> dict[str, Any]:
    deleted = await call.session.in_thread(_remove, call)
    call.session.live.publish("cache", "changed", {})
    return deleted


def _remove(call: Call[CacheDeletion]) -> dict[str, Any]:
    cache = call.session.store.cache()
    entries = chosen_entries(cache, op=call.given.op)
    remove_entries(cache, entries)
    return {"deleted": len(entries), "bytes": sum(entry.size for entry in entries)}
