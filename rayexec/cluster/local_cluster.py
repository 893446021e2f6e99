"""Lasting Ray cluster on this machine, from its start to its end.

Its state is ``cluster.json`` in the directory of RAYEXEC_HOME (``~/.rayexec``). A command that
changes it holds a lock there. The cluster listens on the loopback interface alone and needs a
token.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rayexec.cluster import processes
from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.cluster.home import home
from rayexec.cluster.node_start import ClusterStart
from rayexec.cluster.ray_directory import DIRECTORY_PREFIX, make_private, remove_private
from rayexec.cluster.ray_mark import write_mark
from rayexec.cluster.tokens import ensure_token
from rayexec.errors import EngineError
from rayexec.private_directory import open_private, open_unshared

__all__ = ["Cluster", "current", "running", "start", "stop"]

_STATE, _LOCK = "cluster.json", "cluster.lock"
STOP_GRACE_S = 5.0  # from SIGTERM to SIGKILL
# The raylet ends first: without the other processes, it hangs at SIGTERM.
_NODE, _HEAD = "raylet", "gcs_server"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of this machine.

    ``mark`` is a variable in the environment of its processes, and ``sessions`` are the pids of the
    commands that start its nodes. ``core`` are the processes that it needs, as (pid, start time,
    name), and ``others`` the rest of the lasting ones. ``directory`` holds Ray's sockets and
    logs, and only this user may enter it.
    """

    mark: str
    boot: str
    address: str
    directory: str
    spec: ClusterSpec
    dashboard_url: str | None = None
    sessions: tuple[int, ...] = ()
    core: tuple[tuple[int, str, str], ...] = ()
    others: tuple[tuple[int, str, str], ...] = ()

    def is_alive(self, table: Mapping[int, processes.Process] | None = None) -> bool:
        """Whether all processes of its core run."""
        now = processes.table() if table is None else table
        return (
            self.boot == processes.boot()
            and bool(self.core)
            and all(_runs(entry, now) for entry in self.core)
        )

    def family(self) -> dict[int, processes.Process]:
        """Return its running processes and all their children."""
        if self.boot != processes.boot():
            return {}
        now = processes.table()
        roots = {entry[0] for entry in (*self.core, *self.others) if _runs(entry, now)}
        roots |= processes.marked(self.mark, now)
        return {pid: now[pid] for pid in processes.family(roots, self.sessions, now)}


def _entry(process: processes.Process) -> tuple[int, str, str]:
    return process.pid, process.started, process.name


def _runs(entry: tuple[int, str, str], now: Mapping[int, processes.Process]) -> bool:
    pid, started, _ = entry
    return pid in now and now[pid].started == started


def current() -> Cluster | None:
    """Return the cluster started last and not stopped; it may have died since."""
    try:
        # Whoever writes it names an address that gets a token, and processes that ``stop`` ends.
        with open(home() / _STATE, opener=open_unshared) as file:
            document = json.load(file)
        spec = ClusterSpec(**document.pop("spec"))
        lists = {name: tuple(map(tuple, document.pop(name))) for name in ("core", "others")}
        return Cluster(**document | {"spec": spec, "sessions": tuple(document["sessions"])} | lists)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        # There is none, or another version of rayexec wrote the file.
        return None


def running() -> str | None:
    """Return the address of the cluster of this machine, or None if none runs."""
    cluster = current()
    return cluster.address if cluster is not None and cluster.is_alive() else None


def _write(cluster: Cluster) -> None:
    document = asdict(cluster)
    del document["spec"]["given"]
    path = home() / _STATE
    # Several users may share the home: a foreseeable name could be somebody's link.
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with open(fresh, "x", opener=open_private) as file:
        file.write(json.dumps(document, indent=2))
    fresh.replace(path)


@contextlib.contextmanager
def _locked(say: Callable[[str], None]) -> Iterator[None]:
    import fcntl  # not every system has it, and only changes need it

    try:
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.fdopen(open_private(home() / _LOCK, os.O_WRONLY | os.O_CREAT), "w")
    except OSError as error:
        raise EngineError(
            f"cannot write to {home()}: {error.strerror or error}. Set RAYEXEC_HOME to a "
            "directory that can be written."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another rayexec cluster command is at work; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(spec: ClusterSpec, say: Callable[[str], None]) -> tuple[Cluster, bool]:
    """Return the running cluster, and whether this call has started it.

    A cluster that runs already comes back if it fits ``spec``. Raises EngineError if it does not,
    and if Ray does not start, after the end of all its processes.
    """
    with _locked(say):
        cluster = current()
        if cluster is not None and cluster.is_alive():
            differences = spec.differences(cluster.spec)
            if differences:
                raise EngineError(
                    f"a cluster runs already at {cluster.address}, and it is another one: "
                    f"{'; '.join(differences)}. Stop it first (`rayexec cluster down`), then "
                    "start it as you want it."
                )
            return cluster, False
        if cluster is not None:
            _clean(cluster)
        ensure_token()
        return _start(spec), True


def _start(spec: ClusterSpec) -> Cluster:
    # Not below RAYEXEC_HOME: the path of a socket has at most about a hundred characters.
    try:
        directory = str(make_private(f"node-{spec.nodes}"))
    except OSError as error:
        raise EngineError(
            f"cannot make a directory for Ray's files: {error}. Set RAY_TMPDIR to a directory "
            "that can be written."
        ) from error
    mark = f"RAYEXEC_CLUSTER={uuid.uuid4().hex}"
    cluster = Cluster(mark, processes.boot(), "", directory, spec)
    try:
        start = ClusterStart(spec, mark, directory)
        cluster = replace(
            cluster, spec=start.spec, address=start.address, dashboard_url=start.dashboard_url
        )
        _write(cluster)
        for _ in start.nodes():
            # At once, so that the next command finds these processes if this one is killed.
            now = processes.table()
            starters = tuple(_entry(now[pid]) for pid in start.sessions if pid in now)
            cluster = replace(cluster, sessions=start.sessions, others=starters)
            _write(cluster)
        cluster = _with_processes(cluster)
        _write(cluster)
        if cluster.spec.nodes == 1:
            write_mark(cluster.directory, cluster.address, [pid for pid, _, _ in cluster.core])
    except BaseException:
        with _undisturbed():
            _clean(cluster)
        raise
    return cluster


def _with_processes(cluster: Cluster) -> Cluster:
    """Return ``cluster`` with its lasting processes, without their children."""
    now = processes.table()
    members = [process for process in now.values() if process.session in cluster.sessions]
    pids = {process.pid for process in members}
    entries = [_entry(process) for process in members if process.parent not in pids]
    core = tuple(entry for entry in entries if entry[2] in (_NODE, _HEAD))
    if len(core) != cluster.spec.nodes + 1:
        raise EngineError(
            "Ray started, and a part of it ended at once. Try again, or with fewer nodes."
        )
    return replace(
        cluster, core=core, others=tuple(entry for entry in entries if entry not in core)
    )


def stop(say: Callable[[str], None]) -> tuple[Cluster, int] | None:
    """Stop the cluster of this machine; return it with the number of ended processes.

    None comes back without a cluster. Raises EngineError if a process cannot be ended.
    """
    with _locked(say):
        cluster = current()
        if cluster is None:
            return None
        with _undisturbed():
            return cluster, _clean(cluster)


def _clean(cluster: Cluster) -> int:
    """End the rest of a cluster and forget it; return the number of ended processes."""
    count = len(cluster.family())
    left = processes.end(cluster.family, first=_NODE, grace_s=STOP_GRACE_S) if count else []
    if left:
        names = ", ".join(f"{process.name} ({process.pid})" for process in left)
        raise EngineError(f"some processes of the cluster cannot be ended: {names}.")
    directory = Path(cluster.directory)
    if any(path.name.startswith(DIRECTORY_PREFIX) for path in (directory, directory.parent)):
        remove_private(directory)
    (home() / _STATE).unlink(missing_ok=True)
    return count


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore signals while this process ends others, which must not stop half-way."""
    former = {}
    with contextlib.suppress(ValueError):  # outside the main thread, which alone gets interrupts
        for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            former[signal_number] = signal.signal(signal_number, signal.SIG_IGN)
    try:
        yield
    finally:
        for signal_number, handler in former.items():
            signal.signal(signal_number, handler)
