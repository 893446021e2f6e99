"""Diagnosis of a cluster: findings about causes of failing runs, from facts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rayexec._version import DISTRIBUTION, __version__
from rayexec.definitions.concurrency import LIMIT_PREFIX, POOL_PREFIX

__all__ = ["Facts", "Finding", "NodeFacts", "examine"]

_GIB = 1024**3
# Free part of a disk; Ray spills nothing to a full one.
_FULL, _NEARLY_FULL = 0.05, 0.10
SMALL_STORE_BYTES = 200 * 1024**2
_FEW_FILES = 4096
MOST_SKEW_S = 1.0
_MANY_NODES = 4  # with so many, the head should run no steps
_OLDEST = (3, 10)
_INSTALL = f"pip install --force-reinstall {DISTRIBUTION}=={__version__}"


class Finding(NamedTuple):
    """Result of one check, with ``advice`` for a warning or a problem."""

    check: str
    level: Literal["ok", "warning", "problem"]
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Facts of a node: sizes in bytes as (total, free), and the least ``skew`` in seconds.

    A version is None for a missing package. ``namesake`` describes another project's package under
    the name rayexec. ``resources`` are Ray's, or None for a machine without
    Ray. A node without an answer has ``error`` alone.
    """

    name: str
    is_head: bool = False
    resources: Mapping[str, float] | None = None
    error: str | None = None
    python: str = ""
    ray: str | None = None
    rayexec: str | None = None
    rayexec_error: str | None = None
    namesake: str | None = None
    missing: Sequence[str] = ()
    shared_memory: tuple[int, int] | None = None
    disk: tuple[int, int] | None = None
    open_files: int = _FEW_FILES
    sees_marker: bool = True
    store_error: str | None = None
    skew: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of this machine (``driver``) and of the ``nodes`` of the cluster at ``address``.

    ``unreachable`` is the reason for missing nodes. ``token`` describes the access;
    ``token_is_open`` is True where none is needed, and ``token_readers`` is its file where other
    users may read that. ``is_loopback`` is True for a cluster that only this machine reaches.
    ``home_is_default`` is True if nobody names a run store, and ``store_error`` is the driver's
    error in it. ``dashboard`` has its address, and True if it answers.
    """

    driver: NodeFacts
    home: str
    home_is_default: bool = True
    store_error: str | None = None
    address: str | None = None
    unreachable: str | None = None
    token: str = ""
    token_is_open: bool = False
    token_readers: str = ""
    is_loopback: bool = False
    dashboard: tuple[str, bool] | None = None
    nodes: Sequence[NodeFacts] = ()


def examine(facts: Facts) -> list[Finding]:
    """Return the findings: one or more for each check."""
    if facts.address is None:
        return [
            Finding(
                "cluster",
                "ok",
                "none was asked about and none was started here; this machine alone is looked at",
            ),
            *_alone(facts),
        ]
    if facts.unreachable is not None:
        return [Finding("reach", "problem", facts.unreachable), *_alone(facts)]
    answered = [node for node in facts.nodes if node.error is None]
    return [
        Finding(
            "reach", "ok", f"Ray answers at {facts.address}: {_count(len(facts.nodes), 'node')}"
        ),
        *_silent(facts.nodes),
        *_token(facts),
        *_dashboard(facts),
        *_versions(facts.driver, answered),
        *_packages(answered),
        *_store(facts, answered),
        *_machines(answered),
        *_clocks(answered),
        *_roles(facts.nodes),
        *_limits(facts.nodes),
    ]


def _alone(facts: Facts) -> Iterator[Finding]:
    here = facts.driver
    if tuple(map(int, here.python.split(".")[:2])) < _OLDEST:
        yield Finding(
            "python", "problem", f"{here.python} is here", "Install Python 3.10 or later."
        )
    else:
        yield Finding("python", "ok", here.python)
    if here.ray is None:
        yield Finding("ray", "problem", "Ray cannot be imported here", "pip install 'ray[default]'")
    else:
        yield Finding("ray", "ok", here.ray)
    if here.namesake is not None:
        yield _other_project([here])
    else:
        yield Finding("rayexec", "ok", here.rayexec or "")
    yield from _packages([here])
    yield from _store(facts, [])
    yield from _machines([here])


def _count(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def _names(nodes: Sequence[NodeFacts]) -> str:
    shown = ", ".join(node.name for node in nodes[:5])
    return shown if len(nodes) <= 5 else f"{shown} and {len(nodes) - 5:,} more"


def _silent(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    for node in nodes:
        if node.error is not None:
            yield Finding(
                "nodes",
                "problem",
                f"no task came back from {node.name}: {node.error}",
                "Look at the logs of that node (/tmp/ray/session_latest/logs), or take it out.",
            )


def _token(facts: Facts) -> Iterator[Finding]:
    who = "every user of this machine" if facts.is_loopback else "whoever reaches its ports"
    text, advice = facts.token, ""
    if facts.token_is_open:
        text += f": {who} may run code on it"
        advice = "Start each node with RAY_AUTH_MODE=token and the same ~/.ray/auth_token."
    elif facts.token_readers:
        text += ", which other users of this machine may read"
        advice = f"chmod 600 {facts.token_readers}"
    yield Finding("token", "warning" if advice else "ok", text, advice)


def _dashboard(facts: Facts) -> Iterator[Finding]:
    if facts.dashboard is None:
        yield Finding("dashboard", "ok", "none runs, so that no Ray job can be submitted")
        return
    url, answers = facts.dashboard
    if answers:
        yield Finding("dashboard", "ok", f"answers at {url}")
    else:
        yield Finding(
            "dashboard",
            "warning",
            f"{url} cannot be reached from here, so that no Ray job can be submitted",
            "Open port 8265 of the head to this machine, or forward it.",
        )


def _versions(driver: NodeFacts, nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    checks: dict[str, tuple[Callable[[NodeFacts], str | None], Callable[[str], object], str]] = {
        # Ray refuses a driver with another minor version of Python, which could not read pickled
        # code either.
        "python": (
            lambda node: node.python,
            lambda version: version.split(".")[:2],
            "the same Python 3.x",
        ),
        "ray": (lambda node: node.ray, str, f"Ray {driver.ray}"),
        "rayexec": (lambda node: node.rayexec, str, f"rayexec {driver.rayexec}"),
    }
    for check, (of, part, wanted) in checks.items():
        here = of(driver)
        others: dict[str, list[NodeFacts]] = {}
        for node in nodes:
            version = of(node)
            if version is not None and (here is None or part(version) != part(here)):
                others.setdefault(version, []).append(node)
        for version, where in others.items():
            text = f"{here} here and {version} on {_names(where)}"
            yield Finding(
                check, "problem", text, f"Install {wanted} there, or run the driver from there."
            )
        without = [node for node in nodes if check == "rayexec" and node.rayexec is None]
        lacking = [node for node in without if node.namesake is None]
        if lacking:
            text = f"cannot be imported on {_names(lacking)} ({lacking[0].rayexec_error})"
            yield Finding(check, "problem", text, f"{_INSTALL} there, into the Python of Ray.")
        foreign = [node for node in nodes if check == "rayexec" and node.namesake is not None]
        if foreign:
            yield _other_project(foreign)
        if not others and not lacking and not foreign:
            yield Finding(check, "ok", f"{here} here and on {_count(len(nodes), 'node')}")


def _other_project(nodes: Sequence[NodeFacts]) -> Finding:
    text = f"a package of another project has this name on {_names(nodes)} ({nodes[0].namesake})"
    return Finding("rayexec", "problem", text, f"There: pip uninstall rayexec. {_INSTALL}.")


def _packages(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    lacking = [node for node in nodes if node.missing]
    for name in sorted({package for node in lacking for package in node.missing}):
        where = [node for node in lacking if name in node.missing]
        yield Finding(
            "packages",
            "problem",
            f"{name} is missing on {_names(where)}",
            f"pip install {name} there.",
        )
    if not lacking:
        yield Finding("packages", "ok", "what rayexec needs is there")


def _store(facts: Facts, nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    if facts.store_error is not None:
        text = f"{facts.home} cannot be written from here: {facts.store_error}"
        yield Finding(
            "store", "problem", text, "Set RAYEXEC_HOME to a directory or URI that can be written."
        )
        return
    blind = [node for node in nodes if not node.sees_marker]
    stuck = [node for node in nodes if node.sees_marker and node.store_error is not None]
    if blind:
        reason = f" ({blind[0].store_error})" if blind[0].store_error else ""
        text = f"{facts.home} of this machine is another place on {_names(blind)}{reason}"
        advice = (
            "Set RAYEXEC_HOME to a directory or URI that all nodes reach; without it, values that "
            "are kept for a resume are lost."
        )
        yield Finding("store", "warning" if facts.home_is_default else "problem", text, advice)
    if stuck:
        text = f"{facts.home} cannot be written on {_names(stuck)} ({stuck[0].store_error})"
        yield Finding("store", "problem", text, "Let the user that Ray runs as write there.")
    if not blind and not stuck:
        where = f" and on {_count(len(nodes), 'node')}, the same place" if nodes else ""
        yield Finding("store", "ok", f"{facts.home} can be written here{where}")


def _machines(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    yield from _disks(nodes)
    yield from _memory(nodes)
    few = [node for node in nodes if 0 <= node.open_files < _FEW_FILES]
    if few:
        text = f"only {min(node.open_files for node in few):,} files may be open on {_names(few)}"
        yield Finding("open files", "warning", text, "ulimit -n 65536 before Ray starts there.")
    else:
        yield Finding("open files", "ok", f"at least {_FEW_FILES:,} may be open on each")


def _disks(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    disks = [(node, *node.disk) for node in nodes if node.disk is not None]
    full = [node for node, total, free in disks if free < _FULL * total]
    nearly = [node for node, total, free in disks if _FULL * total <= free < _NEARLY_FULL * total]
    if full:
        text = (
            f"less than {_FULL:.0%} of the disk is free on {_names(full)}; Ray spills nothing to it"
        )
        yield Finding(
            "disk", "problem", text, "Make room in /tmp there, or set RAY_TMPDIR to a larger disk."
        )
    if nearly:
        text = f"less than {_NEARLY_FULL:.0%} of the disk is free on {_names(nearly)}"
        yield Finding(
            "disk",
            "warning",
            text,
            "Make room in /tmp there before large values are spilled to it.",
        )
    if not full and not nearly:
        least = min((free for _, _, free in disks), default=0)
        yield Finding("disk", "ok", f"{least / _GIB:.0f} GiB are free at least")


def _memory(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    sizes = {node.name: (node.resources or {}).get("object_store_memory", 0.0) for node in nodes}
    # Not the free part: that is what Ray's store has left of it.
    tight = [
        node for node in nodes if node.shared_memory and node.shared_memory[0] < sizes[node.name]
    ]
    small = [node for node in nodes if 0 < sizes[node.name] < SMALL_STORE_BYTES]
    if tight:
        text = (
            f"/dev/shm is smaller than Ray's object store on {_names(tight)}, which then lies on "
            "disk and is slow"
        )
        yield Finding(
            "shared memory",
            "warning",
            text,
            "Enlarge /dev/shm (docker: --shm-size), or shrink the store.",
        )
    if small:
        text = f"the object store of {_names(small)} is below {SMALL_STORE_BYTES / 1024**2:.0f} MiB"
        yield Finding(
            "object store", "warning", text, "Start Ray with a larger --object-store-memory=BYTES."
        )
    if not tight and not small:
        least = min((node.shared_memory[0] for node in nodes if node.shared_memory), default=0)
        total = sum(sizes.values())
        stores = f", object stores {total / _GIB:.1f} GiB in all" if total else ""
        yield Finding("shared memory", "ok", f"/dev/shm of {least / _GIB:.1f} GiB at least{stores}")


def _clocks(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    off = [node for node in nodes if abs(node.skew) > MOST_SKEW_S]
    for node in off:
        text = f"{node.name} is {abs(node.skew):.1f} s {'ahead' if node.skew > 0 else 'behind'}"
        yield Finding(
            "clocks",
            "warning",
            text,
            "Run an NTP client (chrony) there; times in records are off by that.",
        )
    if not off:
        yield Finding("clocks", "ok", f"within {MOST_SKEW_S:.0f} s of this machine's")


def _roles(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    cpus = {node.name: (node.resources or {}).get("CPU", 0.0) for node in nodes}
    head = next((node for node in nodes if node.is_head), None)
    if not any(cpus.values()):
        yield Finding("cpus", "problem", "no node has a CPU, so no step can run", "Add workers.")
    elif head is not None and cpus[head.name] and len(nodes) >= _MANY_NODES:
        text = (
            f"the head runs steps ({cpus[head.name]:g} CPUs) beside a cluster of {len(nodes)} nodes"
        )
        yield Finding(
            "cpus",
            "warning",
            text,
            "Start the head with --num-cpus=0, so that no step takes it along.",
        )
    else:
        idle = " (none on the head)" if head is not None and not cpus[head.name] else ""
        yield Finding("cpus", "ok", f"{sum(cpus.values()):g} in all{idle}")


def _limits(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    declaring: dict[str, list[NodeFacts]] = {}
    for node in nodes:
        for name in node.resources or {}:
            if name.startswith((LIMIT_PREFIX, POOL_PREFIX)):
                declaring.setdefault(name, []).append(node)
    sound = True
    for name, where in sorted(declaring.items()):
        if len(where) > 1:
            sound = False
            text = (
                f"{name} is declared on {len(where)} nodes ({_names(where)}), each of which has "
                "one of its own"
            )
            yield Finding(
                "limits",
                "problem",
                text,
                "Declare it on one node, in the start command of that node alone.",
            )
        without = [node for node in where if not (node.resources or {}).get("CPU")]
        if without:
            sound = False
            text = (
                f"{name} is declared on {_names(without)} without a CPU, so that steps that count "
                "in it never start"
            )
            yield Finding("limits", "problem", text, "Declare it on a node that has CPUs.")
    if sound:
        summary = (
            f"{_count(len(declaring), 'limit')} declared, each on one node with CPUs"
            if declaring
            else "none declared"
        )
        yield Finding("limits", "ok", summary)
