"""State that all parts of the server share: options, run store, code, cluster, live topics."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from aiohttp import web

from rayexec.launch.asked_capacity import AskedCapacity
from rayexec.store import RunStore, default_store, store_at
from rayexec.web.all_runs import RunList
from rayexec.web.open_runs import OpenRuns

if TYPE_CHECKING:
    from rayexec.launch.job_file import JobSource
    from rayexec.web.live import Live

__all__ = ["SESSION", "DoorOptions", "Session"]

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 4


@dataclass(frozen=True, slots=True)
class DoorOptions:
    """What the user asked for: the options of ``rayexec dev``."""

    #: A directory or URI; None is the default store, with the runs launched from here.
    store: str | None = None
    source: JobSource | None = None
    #: The address of a cluster; None lets the door start a Ray of its own.
    address: str | None = None
    is_read_only: bool = False
    #: Whether a Ray starts with the server, so that a launched run finds it warm.
    warms_ray: bool = False
    #: The path before all others, with slashes at both ends.
    base_path: str = "/"
    #: The address to listen on.
    host: str = "127.0.0.1"
    #: Names beside the loopback ones that a browser may use for this server.
    allowed_hosts: tuple[str, ...] = ()


@dataclass
class Session:
    """One start of the server, from its first request to its end."""

    options: DoorOptions
    token: str
    live: Live
    port: int = 0
    #: What opens the first page once, for a connection of this user; None if it is used.
    opening_code: str | None = None
    #: The client of the child process with the user's jobs; None without a file or module.
    code: Any = None
    #: The cluster that launched runs use (a ``WarmCluster``); None before the start.
    cluster: Any = None
    #: The state of the cluster for pages (a ``WatchedCluster``); None before the start.
    watched_cluster: Any = None
    #: The number of downloads under way.
    downloads: int = 0
    #: The sizes of clusters, for previews of runs.
    capacity: AskedCapacity = field(default_factory=AskedCapacity)
    #: Whether each answer is held against its model, as tests do.
    checks_answers: bool = False
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="rayexec-web")
    )

    @functools.cached_property
    def store(self) -> RunStore:
        """The store of the runs that pages show."""
        location = self.options.store
        return default_store() if location is None else store_at(location)

    @functools.cached_property
    def runs(self) -> RunList:
        """The list of runs, which all tabs share."""
        return RunList(self.store, is_default=self.options.store is None)

    @functools.cached_property
    def open_runs(self) -> OpenRuns:
        """The read models of runs that somebody looks at."""
        return OpenRuns(self.options.store)

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work (files, Arrow) in one of a few threads, and return its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, functools.partial(work, *args, **kwargs))

    def close(self) -> None:
        """Let the threads end; work that has not begun never does."""
        self._threads.shutdown(wait=False, cancel_futures=True)


#: The key of the session in the application.
SESSION = web.AppKey("session", Session)
