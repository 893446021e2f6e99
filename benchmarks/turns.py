"""Peers and rayexec in turns on the same graph, so other work of the machine affects both."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.fine import SLOTS, Dag, bound, layered_dag
from benchmarks.measure import median, print_machine, print_table, seconds
from benchmarks.peer import CHAIN, FAN_OUT, LAYERED, Peer, Run, answer
from benchmarks.peer_ray import Rayexec

LONGEST_NAP = 0.02
DISTRIBUTIONS = ("rayexec", "ray", "distributed", "joblib", "dagster", "prefect", "prefect_ray")


@dataclass
class Turns:
    """Times of one peer and of rayexec for one shape, round by round.

    Seconds a step; for naps, makespans over the bound.
    """

    steps: int
    theirs: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """Return the median ratio of the peer to rayexec."""
        return median([one / other for one, other in zip(self.theirs, self.ours, strict=True)])


@dataclass(frozen=True)
class Graph:
    """A graph of some shape, ready for any peer."""

    prepare: Callable[[Peer], Run]
    steps: int
    unit: float
    """The seconds that the time of a run is over."""
    right: int
    """What the last step must return."""


def graph(shape: str, size: int, seed: int) -> Graph:
    """Return a graph; only that of naps depends on the seed."""
    if shape == FAN_OUT:
        return Graph(lambda peer: peer.fan_out(size), size + 2, size + 2, size)
    if shape == CHAIN:
        return Graph(lambda peer: peer.chain(size), size, size, 1)
    naps = layered_dag(random.Random(seed), size, LONGEST_NAP)
    dag: Dag = [*naps, (0.0, list(range(size)))]
    return Graph(lambda peer: peer.layered(dag), size + 1, bound(dag, SLOTS), answer(dag))


def timed(peer: Peer, made: Graph) -> float:
    """Return the time of a run of the graph over its unit, on warm workers; checks the answer."""
    if peer.warm_up:
        peer.fan_out(peer.warm_up)()
    run = made.prepare(peer)
    got: list[int] = []
    took = seconds(lambda: got.append(run()))
    if got != [made.right]:
        raise AssertionError(f"{peer.name} returned {got[0]}, not {made.right}")
    return took / made.unit


def take_turns(peer: Peer) -> dict[str, Turns]:
    """Measure a peer and rayexec, without other peers' processes."""
    import ray

    ours: Peer = Rayexec()
    peer.start()
    try:
        # After the peer's start, so that Ray's workers have what it put into the environment.
        ray.init(
            address="local",
            num_cpus=SLOTS,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        # Naps long enough that every slot has its process before the first turn.
        for runner in (ours, peer):
            if runner.warm_up:
                runner.layered([(0.25, [])] * (4 * SLOTS))()
        by_shape = {}
        for shape, size in peer.sizes.items():
            turns = by_shape[shape] = Turns(graph(shape, size, 0).steps)
            for index in range(peer.repeats):
                made = graph(shape, size, index + 1)
                turns.ours.append(timed(ours, made))
                turns.theirs.append(timed(peer, made))
        return by_shape
    finally:
        ray.shutdown()
        peer.stop()


def is_installed(peer: Peer) -> bool:
    """Say if a peer is installed, and print a note if not."""
    missing = [module for module in peer.modules if importlib.util.find_spec(module) is None]
    if missing:
        print(f"left out: {peer.name}, for {' and '.join(missing)} cannot be imported", flush=True)
    return not missing


def compare(names: Sequence[str]) -> None:
    """Measure peers by module and class, and print a table a shape."""
    print_machine(*(each for each in DISTRIBUTIONS if importlib.util.find_spec(each) is not None))
    measured: dict[str, tuple[Peer, Mapping[str, Turns]]] = {}
    for name in names:
        module, cls = name.split(".")
        peer: Peer = getattr(importlib.import_module(f"benchmarks.{module}"), cls)()
        if is_installed(peer):
            measured[peer.name] = peer, take_turns(peer)
    for shape in (FAN_OUT, CHAIN, LAYERED):
        print_shape(
            shape, [(peer, turns[shape]) for peer, turns in measured.values() if shape in turns]
        )


def print_shape(shape: str, rows: Sequence[tuple[Peer, Turns]]) -> None:
    """Print the table of a shape: rayexec at its own size, then each peer on the peer's graph."""
    full = graph(shape, Rayexec.sizes[shape], 0).steps
    ours = [each for _, turns in rows if turns.steps == full for each in turns.ours]
    scale, form = (1, ".3f") if shape == LAYERED else (1e6, ",.1f")
    table = [
        [
            Rayexec.name,
            "1.00",
            "1.00",
            f"{full:,}",
            *[f"{median(ours) * scale:{form}}"] * 2,
            f"{len(ours)}",
        ]
    ]
    for peer, turns in rows:
        theirs = median(turns.theirs)
        # By round where there are rounds on the same graph.
        ratio = turns.ratio() if turns.steps == full else theirs / median(ours)
        figures = [
            f"{theirs * scale:{form}}",
            f"{median(turns.ours) * scale:{form}}",
            f"{peer.repeats}",
        ]
        table.append(
            [peer.name, _short(ratio), _short(turns.ratio()), f"{turns.steps:,}", *figures]
        )
    unit = "makespan to bound" if shape == LAYERED else "µs a step"
    head = [
        "peer",
        "to rayexec",
        "on the same graph",
        "steps",
        unit,
        "rayexec on the same graph",
        "runs",
    ]
    print_table(f"{shape}, {SLOTS} slots", head, table)


def _short(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.2f}"
