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
from dataclasses import asdict, dataclass, replace

from rayexec.cluster import processes
from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.cluster.home import home
from rayexec.cluster.node_start import ClusterStart
from rayexec.cluster.tokens import ensure_token
from rayexec.errors import EngineError

__all__ = ["Cluster", "current", "running", "start", "stop"]

_STATE, _LOCK = "cluster.json", "cluster.lock"
_DIRECTORY = "rayexec-"
_GRACE = 5.0  # seconds from SIGTERM to SIGKILL
# The first of Ray's processes to be ended: without the others, it hangs when it is asked to.
_NODE, _HEAD = "raylet", "gcs_server"


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
            "can be written."
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
                    f"{'; '.join(wrong)}. Stop it first (`rayexec cluster down`), then start it "
                    "as you want it."
                )
            return known, False
        if known is not None:
            _clean(known)
        ensure_token()
        return _start(spec), True


def _start(spec: ClusterSpec) -> Cluster:
    # Not below RAYEXEC_HOME: the path of a socket may not be longer than about a hundred
    # characters.
    directory = tempfile.mkdtemp(prefix=_DIRECTORY, dir=os.environ.get("RAY_TMPDIR") or "/tmp")
    mark = f"RAYEXEC_CLUSTER={uuid.uuid4().hex}"
    cluster = Cluster(mark, processes.boot(), "", directory, spec)
    try:
        start = ClusterStart(spec, mark, directory)
        cluster = replace(
            cluster, spec=start.spec, address=start.address, dashboard_url=start.dashboard_url
        )
        _write(cluster)
        for _ in start.nodes():
            # At once: if this process is killed, the next command shall find what it has started.
            now = processes.table()
            starters = tuple(_known(now[pid]) for pid in start.sessions if pid in now)
            cluster = replace(cluster, sessions=start.sessions, others=starters)
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
