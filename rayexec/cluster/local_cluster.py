"""A Ray cluster on this machine that stays up when the command that started it has ended.

What is known of it stands in ``cluster.json`` in the directory of RAYEXEC_HOME (``~/.rayexec``),
and each command holds a lock there while it changes something. The cluster listens on the loopback
interface alone and asks for a token.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rayexec.cluster import processes
from rayexec.cluster.tokens import ensure_token
from rayexec.definitions.limits import limit_resource, pool_resource
from rayexec.errors import EngineError

__all__ = ["Cluster", "ClusterSpec", "current", "home", "running", "start", "stop"]

_STATE, _LOCK = "cluster.json", "cluster.lock"
_DIRECTORY = "rayexec-"
_GRACE = 5.0  # seconds from SIGTERM to SIGKILL
# The first of Ray's processes to be ended: without the others, it hangs when it is asked to.
_NODE, _HEAD = "raylet", "gcs_server"


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What a cluster shall have.

    ``num_cpus`` is per node; ``limits`` goes by ``KEY`` or ``KEY=VALUE`` of a tag, ``pools`` by
    name. ``given`` names the fields that were asked for, in contrast to those that are as they are
    by default.
    """

    nodes: int = 1
    num_cpus: int | None = None
    port: int | None = None
    dashboard: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    def resources(self) -> dict[str, int]:
        """Return the custom resources that stand for the limits and pools."""
        limits = {limit_resource(name): number for name, number in self.limits.items()}
        return limits | {pool_resource(name): number for name, number in self.pools.items()}

    def differences(self, other: ClusterSpec) -> list[str]:
        """Return in words where ``other`` is not what was asked for here."""
        return [
            f"{name} {_worded(getattr(self, name))} is asked for, and it has "
            f"{_worded(getattr(other, name))}"
            for name in ("nodes", "num_cpus", "port", "dashboard", "limits", "pools")
            if name in self.given and getattr(self, name) != getattr(other, name)
        ]


def _worded(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}:{number}" for name, number in value.items()) or "none"
    return str(value)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that was started here.

    ``mark`` stands in the environment of its processes; ``sessions`` are the pids of the commands
    that started its nodes; ``core`` are the processes without which it is down, each as (pid, start
    time, name), and ``others`` the rest of those that stay. ``directory`` holds Ray's sockets and
    logs.
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
        """Whether everything runs that it needs."""
        now = processes.table() if table is None else table
        return (
            self.boot == processes.boot()
            and bool(self.core)
            and all(_runs(each, now) for each in self.core)
        )

    def family(self) -> dict[int, processes.Process]:
        """Return its processes that run now, and all their children."""
        if self.boot != processes.boot():
            return {}
        now = processes.table()
        roots = {each[0] for each in (*self.core, *self.others) if _runs(each, now)}
        roots |= processes.marked(self.mark, now)
        return {pid: now[pid] for pid in processes.family(roots, self.sessions, now)}


def _known(process: processes.Process) -> tuple[int, str, str]:
    return process.pid, process.started, process.name


def _runs(known: tuple[int, str, str], now: Mapping[int, processes.Process]) -> bool:
    pid, started, _ = known
    return pid in now and now[pid].started == started


def home() -> Path:
    """Return the directory of what rayexec keeps on this machine, also where RAYEXEC_HOME is a URI,
    of runs alone.
    """
    given = os.environ.get("RAYEXEC_HOME") or ""
    return Path(given if given and "://" not in given else Path.home() / ".rayexec").absolute()


def current() -> Cluster | None:
    """Return the cluster that was started last and not stopped, whether or not it still runs."""
    try:
        document = json.loads((home() / _STATE).read_text())
        spec = ClusterSpec(**document.pop("spec"))
        lists = {name: tuple(map(tuple, document.pop(name))) for name in ("core", "others")}
        return Cluster(**document | {"spec": spec, "sessions": tuple(document["sessions"])} | lists)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ):  # none, or not written by this version
        return None


def running() -> str | None:
    """Return the address of the cluster that was started here, where it runs."""
    known = current()
    return known.address if known is not None and known.is_alive() else None


def _write(cluster: Cluster) -> None:
    document = asdict(cluster)
    del document["spec"]["given"]
    path = home() / _STATE
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(document, indent=2))
    fresh.replace(path)


@contextlib.contextmanager
def _locked(say: Callable[[str], None]) -> Iterator[None]:
    import fcntl  # not on every system, and only a command that changes something needs it

    try:
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (home() / _LOCK).open("a")
    except OSError as error:
        raise EngineError(
            f"cannot write to {home()}: {error.strerror}. Set RAYEXEC_HOME to a directory that "
            f"can be written."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another rayexec cluster command is at work; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(spec: ClusterSpec, say: Callable[[str], None]) -> tuple[Cluster, bool]:
    """Return the cluster that runs, and whether it was started now.

    One that runs already is returned as it is, where it has what is asked for. Raises EngineError
    where it has not, and where Ray does not start, of which nothing is left running then.
    """
    with _locked(say):
        known = current()
        if known is not None and known.is_alive():
            wrong = spec.differences(known.spec)
            if wrong:
                raise EngineError(
                    f"a cluster runs already at {known.address}, and it is another one: "
                    f"{'; '.join(wrong)}. "
                    "Stop it first (`rayexec cluster down`), then start it as you want it."
                )
            return known, False
        if known is not None:
            _clean(known)
        ensure_token()
        return _start(spec), True


def _start(spec: ClusterSpec) -> Cluster:
    from rayexec.cluster.nodes import Launch

    # Not below RAYEXEC_HOME: the path of a socket may not be longer than about a hundred
    # characters.
    directory = tempfile.mkdtemp(prefix=_DIRECTORY, dir=os.environ.get("RAY_TMPDIR") or "/tmp")
    mark = f"RAYEXEC_CLUSTER={uuid.uuid4().hex}"
    cluster = Cluster(mark, processes.boot(), "", directory, spec)
    try:
        launch = Launch(spec, mark, directory)
        cluster = replace(
            cluster, spec=launch.spec, address=launch.address, dashboard_url=launch.dashboard_url
        )
        _write(cluster)
        for _ in launch.nodes():
            # At once: if this process is killed, the next command shall find what it has started.
            now = processes.table()
            starters = tuple(_known(now[pid]) for pid in launch.sessions if pid in now)
            cluster = replace(cluster, sessions=launch.sessions, others=starters)
            _write(cluster)
        cluster = _with_processes(cluster)
        _write(cluster)
    except BaseException:
        with _undisturbed():
            _clean(cluster)
        raise
    return cluster


def _with_processes(cluster: Cluster) -> Cluster:
    """Return ``cluster`` with the processes that it has, without those that come and go below
    others.
    """
    now = processes.table()
    found = [each for each in now.values() if each.session in cluster.sessions]
    pids = {each.pid for each in found}
    known = [_known(each) for each in found if each.parent not in pids]
    core = tuple(each for each in known if each[2] in (_NODE, _HEAD))
    if len(core) != cluster.spec.nodes + 1:
        raise EngineError(
            "Ray started, and a part of it ended at once. Try again, or with fewer nodes."
        )
    return replace(cluster, core=core, others=tuple(each for each in known if each not in core))


def stop(say: Callable[[str], None]) -> tuple[Cluster, int] | None:
    """Stop the cluster that was started here, and return it with the number of processes ended, or
    None for none.

    Raises EngineError where a process cannot be ended.
    """
    with _locked(say):
        known = current()
        if known is None:
            return None
        with _undisturbed():
            return known, _clean(known)


def _clean(cluster: Cluster) -> int:
    """End what is left of a cluster and forget it; return how many processes that were."""
    count = len(cluster.family())
    left = processes.end(cluster.family, first=_NODE, grace=_GRACE) if count else []
    if left:
        names = ", ".join(f"{each.name} ({each.pid})" for each in left)
        raise EngineError(f"some processes of the cluster cannot be ended: {names}.")
    if os.path.basename(cluster.directory).startswith(_DIRECTORY):
        shutil.rmtree(cluster.directory, ignore_errors=True)
    (home() / _STATE).unlink(missing_ok=True)
    return count


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore what would end this process while it ends the others, which takes seconds and must not
    stop half-way.
    """
    former = {}
    with contextlib.suppress(ValueError):  # not in the main thread, which alone is interrupted
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            former[number] = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
