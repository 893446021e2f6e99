"""Endpoint with the facts of the server itself."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from rayexec._version import __version__
from rayexec.web.endpoints import Call, get
from rayexec.web.models.base import NoQuery, SessionFacts
from rayexec.web.session import Session

__all__ = ["routes"]


def routes(session: Session) -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [get("api/session", _facts, SessionFacts, "Facts of this server.")]


def _facts(call: Call[NoQuery]) -> dict[str, Any]:
    session = call.session
    source = session.options.source
    cluster = session.cluster
    return {
        "version": __version__,
        "read_only": session.options.is_read_only,
        "token_port": session.port,
        "store": str(session.store),
        "source": None
        if source is None
        else {
            "file": None if source.file is None else str(source.file.absolute()),
            "module": source.module,
        },
        "has_code": session.code is not None,
        "cluster": None if cluster is None else cluster.facts(),
        "now": time.time(),
    }
