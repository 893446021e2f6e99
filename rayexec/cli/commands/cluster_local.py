"""Bodies of ``cluster up``, ``down`` and ``status``: a lasting Ray on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.printable import printable_line
from rayexec.cli.signals import EndingSignals
from rayexec.cli.streams import results_on_stdout, say, write_json
from rayexec.cluster import releasing
from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.cluster.declared import read_spec
from rayexec.cluster.local_cluster import Cluster, current, start, stop
from rayexec.cluster.status import ClusterStatus, LimitStatus, cluster_status
from rayexec.cluster.tokens import readable_by_others, token_path
from rayexec.config.yaml_files import read_yaml
from rayexec.errors import LoadError
from rayexec.views.quantities import amount_in_words, bytes_in_words

__all__ = ["bring_up", "show_status", "take_down"]

_START = "rayexec cluster up"
_FORM = "a cluster file is a mapping with keys such as limits and pools"


@with_exit_code
def bring_up(file: str | None, options: Mapping[str, Any], *, as_json: bool) -> int:
    """Start the cluster of a file and options, unless it runs already."""
    spec = _read(file, options)
    if spec is None:
        return USAGE
    with results_on_stdout() as results, EndingSignals():
        began = time.monotonic()
        cluster, is_new = start(spec, say)
        seconds = time.monotonic() - began
        if readable_by_others():
            say(
                "Other users of this machine may read the token that lets one in: chmod 600 "
                f"{token_path()}"
            )
        if as_json:
            write_json(
                results, _describe(cluster) | {"started": is_new, "seconds": round(seconds, 2)}
            )
        else:
            verb = f"started in {seconds:.1f} s" if is_new else "running already"
            results.writelines(f"{line}\n" for line in _lines(cluster, verb))
    return SUCCEEDED


def _read(file: str | None, options: Mapping[str, Any]) -> ClusterSpec | None:
    """Return the requested cluster; None after a message with all mistakes in the request."""
    mistakes: list[str] = []
    document: dict[str, Any] = {}
    if file is not None:
        try:
            document = read_yaml(file, _FORM)
        except LoadError as error:
            mistakes.append(str(error))
    spec, problems = read_spec(document, options, file=file or "")
    mistakes += [": ".join((*problem.path, problem.message)) for problem in problems]
    if not mistakes:
        return spec
    if len(mistakes) == 1:
        complain(mistakes[0])
    else:
        complain(
            f"{len(mistakes)} mistakes in what is asked for:\n"
            + "\n".join(f"  {mistake}" for mistake in mistakes)
        )
    return None


def _describe(cluster: Cluster) -> dict[str, Any]:
    spec = cluster.spec
    return {
        "address": cluster.address,
        "nodes": spec.nodes,
        "cpus": spec.nodes * (spec.num_cpus or 0),
        "num_cpus": spec.num_cpus,
        "limits": dict(spec.limits),
        "pools": dict(spec.pools),
        "dashboard": cluster.dashboard_url,
        "logs": cluster.directory,
    }


def _lines(cluster: Cluster, verb: str) -> Iterator[str]:
    spec = cluster.spec
    cpus = spec.num_cpus or 0
    per_node = f", {cpus} on each" if spec.nodes > 1 else ""
    yield (
        f"Ray at {cluster.address}, {verb}: {_count(spec.nodes, 'node')}, "
        f"{_count(spec.nodes * cpus, 'CPU')}{per_node}"
    )
    declared = [("limit", *item) for item in spec.limits.items()] + [
        ("pool", *item) for item in spec.pools.items()
    ]
    width = max((len(name) for _, name, _ in declared), default=0)
    for kind, name, limit in declared:
        yield f"  {kind:<5}  {name:<{width}}  {limit}"
    if cluster.dashboard_url:
        yield f"Dashboard: {cluster.dashboard_url}"
    yield "Run a job on it:  rayexec job execute -f my_job.py --address auto"
    yield "Look at it:       rayexec cluster status"
    yield "Stop it:          rayexec cluster down"


def _count(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


@with_exit_code
def take_down(*, as_json: bool) -> int:
    """Stop the cluster of this machine."""
    with results_on_stdout() as results, EndingSignals():
        began = time.monotonic()
        stopped = stop(say)
        seconds = time.monotonic() - began
        if as_json:
            document = (
                {"address": stopped[0].address, "processes": stopped[1]}
                if stopped and stopped[1]
                else None
            )
            write_json(results, {"stopped": document})
        elif stopped is None:
            results.write("Nothing to stop: no cluster was started here.\n")
        elif not stopped[1]:
            results.write(
                f"Nothing to stop: the cluster at {stopped[0].address} had ended already.\n"
            )
        else:
            ended = _count(stopped[1], "process").replace("processs", "processes")
            results.write(
                f"Stopped the cluster at {stopped[0].address}: {ended} ended in {seconds:.1f} s.\n"
            )
    return SUCCEEDED


@with_exit_code
def show_status(address: str | None, *, as_json: bool) -> int:
    """Print the size and use of the cluster at ``address``, or of the one on this machine."""
    with results_on_stdout() as results:
        if address is None:
            cluster = current()
            if cluster is None or not cluster.is_alive():
                return _not_running(cluster, results if as_json else None)
            address = cluster.address
        release = releasing()
        try:
            status = cluster_status(address)
        finally:
            release()
        if as_json:
            write_json(results, {"running": True} | _as_json(status))
        else:
            results.writelines(f"{printable_line(line)}\n" for line in _status_lines(status))
    return SUCCEEDED


def _not_running(cluster: Cluster | None, results: Any) -> int:
    if results is not None:
        write_json(results, {"running": False})
    if cluster is not None and cluster.family():
        complain(
            f"the cluster at {cluster.address} has lost a part of it. End the rest: rayexec "
            f"cluster down"
        )
    elif cluster is not None:
        complain(f"the cluster at {cluster.address} runs no more. Start it again: {_START}")
    else:
        complain(
            f"no cluster was started here. Start one: {_START}; or ask another one with --address."
        )
    return FAILED


def _as_json(status: ClusterStatus) -> dict[str, Any]:
    document = asdict(status)
    document["limits"] = [
        {"kind": limit.kind, "name": limit.name} | fields
        for limit, fields in zip(status.limits, document["limits"], strict=True)
    ]
    return {
        "holders_unknown" if key == "unknown" else key: value for key, value in document.items()
    }


def _status_lines(status: ClusterStatus) -> Iterator[str]:
    yield f"Ray at {status.address}: {_count(len(status.nodes), 'node')}"
    for node in status.nodes:
        yield f"  {'head' if node.is_head else 'node'}  {node.host}  {node.node_id[:8]}"
        width = max(map(len, node.resources), default=0)
        for name, total in sorted(node.resources.items()):
            free = "" if node.free is None else f", {_amount(name, node.free.get(name, 0.0))} free"
            yield f"    {name:<{width}}  {_amount(name, total)}{free}"
    if not status.limits:
        return
    yield ""
    width = max(len(limit.name) for limit in status.limits)
    for limit in status.limits:
        use = f"{amount_in_words(limit.used)} of {amount_in_words(limit.total)} used"
        yield f"{limit.kind:<5}  {limit.name:<{width}}  {use}"
        yield from (f"         {line}" for line in _more(limit))
    if status.unknown:
        yield f"Their holders are unknown: {status.unknown}."


def _more(limit: LimitStatus) -> Iterator[str]:
    if limit.nodes > 1:
        yield (
            f"Warning: {limit.nodes} nodes declare it, so it is {amount_in_words(limit.total)} in "
            "all, and what each of them has is a limit of its own. Declare it on one node."
        )
    for holder in limit.holders or ():
        where = f", pid {holder.pid} on node {(holder.node_id or '?')[:8]}" if holder.pid else ""
        held = f"{amount_in_words(holder.amount)} held by {holder.kind} {holder.name}"
        yield f"{held}{where}, job {holder.job_id}"


def _amount(name: str, amount: float) -> str:
    is_bytes = name in ("memory", "object_store_memory")
    return bytes_in_words(amount) if is_bytes else amount_in_words(amount)
