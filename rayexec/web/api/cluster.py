"""Endpoints of the cluster, and its start and stop."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from rayexec.cluster import local_cluster
from rayexec.launch.warm_cluster import ClusterState, WarmCluster
from rayexec.web.endpoints import ApiError, Call, get, post
from rayexec.web.models.base import NoBody, NoQuery
from rayexec.web.models.cluster import ClusterAnswer, ClusterChanged
from rayexec.web.session import Session
from rayexec.web.watched_cluster import WatchedCluster

__all__ = ["routes", "start", "stop"]

# From the start of the server to that of its Ray: the first page comes first.
WARM_DELAY_S = 2.0


def routes(session: Session) -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        get("api/cluster", _show, ClusterAnswer, "Nodes, limits with holders, and findings."),
        post("api/cluster/start", _begin, ClusterChanged, "Start a Ray on this machine."),
        post("api/cluster/stop", _end, ClusterChanged, "Stop the Ray that was started here."),
    ]


async def start(session: Session) -> None:
    """Give the session its cluster; begin to warm it for runs, where that was asked for."""
    cluster = WarmCluster(session.options.address)
    session.cluster = cluster
    session.watched_cluster = watched = WatchedCluster(session, cluster)
    session.live.register("cluster", watched.feed)
    if session.options.warms_ray:
        asyncio.get_running_loop().call_later(WARM_DELAY_S, cluster.begin)


async def stop(session: Session) -> None:
    """End the Ray of this server, and the child that looks at it."""
    await session.watched_cluster.close()
    await session.in_thread(session.cluster.close)


async def _show(call: Call[NoQuery]) -> dict[str, Any]:
    watched: WatchedCluster = call.session.watched_cluster
    return await watched.answer()


def _begin(call: Call[NoBody]) -> dict[str, Any]:
    """Start the Ray of this server, or look for the given one again."""
    cluster: WarmCluster = call.session.cluster
    cluster.begin()
    return {"state": cluster.state.value}


def _end(call: Call[NoBody]) -> dict[str, Any]:
    cluster: WarmCluster = call.session.cluster
    if not cluster.is_own:
        raise ApiError(
            409,
            f"The cluster at {cluster.address} was not started here, so it is not stopped here "
            "either.",
        )
    if cluster.state is not ClusterState.NONE:
        cluster.runs.cancel("the cluster page, which stopped the Ray of the run")
        cluster.stop()
    elif local_cluster.running() is not None:
        local_cluster.stop(lambda _: None)
    else:
        raise ApiError(409, "No cluster is up, so there is nothing to stop.")
    return {"state": cluster.state.value}
