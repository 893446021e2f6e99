"""Pools of processes, for calls without graphs: joblib on loky, and ``concurrent.futures``."""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from benchmarks.fine import SLOTS, Dag
from benchmarks.measure import REPEATS
from benchmarks.peer import CHAIN, FAN_OUT, LAYERED, Run, follow, join, nap, source

SIZES: Mapping[str, int] = {FAN_OUT: 10_000, CHAIN: 1_000, LAYERED: 200}


class Joblib:
    """A flat map with a join in the caller, a chain of single calls, and naps layer by layer."""

    name = "joblib on loky, automatic batches"
    modules: tuple[str, ...] = ("joblib",)
    sizes = SIZES
    repeats = REPEATS
    warm_up = 40

    def start(self) -> None:
        """Start the workers."""
        joblib = importlib.import_module("joblib")
        self._delayed = joblib.delayed
        self._parallel = joblib.Parallel(n_jobs=SLOTS, backend="loky", batch_size="auto")
        self._parallel.__enter__()

    def fan_out(self, width: int) -> Run:
        """Prepare a fan-out and its join."""

        def run() -> int:
            [value] = self._parallel([self._delayed(source)()])
            return join(self._parallel(self._delayed(follow)(value) for _ in range(width)))

        return run

    def chain(self, steps: int) -> Run:
        """Prepare a chain."""

        def run() -> int:
            [value] = self._parallel([self._delayed(source)()])
            for _ in range(steps - 1):
                [value] = self._parallel([self._delayed(follow)(value)])
            return int(value)

        return run

    def layered(self, dag: Dag) -> Run:
        """Prepare naps by layers."""
        layers = _layers(dag)

        def run() -> int:
            made: dict[int, int] = {}
            for layer in layers:
                calls = [
                    self._delayed(nap)(dag[each][0], [made[other] for other in dag[each][1]])
                    for each in layer
                ]
                made.update(zip(layer, self._parallel(calls), strict=True))
            return made[len(dag) - 1]

        return run

    def stop(self) -> None:
        """End the workers; by themselves they would stay for five minutes."""
        self._parallel.__exit__(None, None, None)
        importlib.import_module("joblib.externals.loky").get_reusable_executor().shutdown(wait=True)


class Futures:
    """A future a call: a flat map with a join in the caller, single calls, naps by readiness."""

    name = "concurrent.futures"
    modules: tuple[str, ...] = ()
    sizes = SIZES
    repeats = REPEATS
    warm_up = 40
    chunk = 1

    def start(self) -> None:
        """Start the workers, as new processes: Ray's threads would not outlive a fork."""
        self._pool = ProcessPoolExecutor(SLOTS, mp_context=multiprocessing.get_context("spawn"))

    def fan_out(self, width: int) -> Run:
        """Prepare a fan-out and its join."""

        def run() -> int:
            value = self._pool.submit(source).result()
            return join(self._pool.map(follow, [value] * width, chunksize=self.chunk))

        return run

    def chain(self, steps: int) -> Run:
        """Prepare a chain."""

        def run() -> int:
            value = self._pool.submit(source).result()
            for _ in range(steps - 1):
                value = self._pool.submit(follow, value).result()
            return value

        return run

    def layered(self, dag: Dag) -> Run:
        """Prepare naps; each is submitted once its predecessors are done."""
        behind: list[list[int]] = [[] for _ in dag]
        for index, (_, before) in enumerate(dag):
            for predecessor in before:
                behind[predecessor].append(index)

        def run() -> int:
            missing = [len(before) for _, before in dag]
            made: dict[int, int] = {}
            ready = [index for index, count in enumerate(missing) if not count]
            running: dict[Future[int], int] = {}
            while ready or running:
                for index in ready:
                    length, before = dag[index]
                    running[self._pool.submit(nap, length, [made[each] for each in before])] = index
                ready = []
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    index = running.pop(future)
                    made[index] = future.result()
                    for successor in behind[index]:
                        missing[successor] -= 1
                        if not missing[successor]:
                            ready.append(successor)
            return made[len(dag) - 1]

        return run

    def stop(self) -> None:
        """End the workers."""
        self._pool.shutdown()


class ChunkedFutures(Futures):
    """The same map in chunks of a chosen size."""

    name = "concurrent.futures, chunks of 100"
    sizes: Mapping[str, int] = {FAN_OUT: 10_000}
    chunk = 100


def _layers(dag: Dag) -> Sequence[Sequence[int]]:
    """Return the steps of ``dag`` by depth."""
    depths: list[int] = []
    layers: dict[int, list[int]] = {}
    for index, (_, before) in enumerate(dag):
        depths.append(max((depths[each] + 1 for each in before), default=0))
        layers.setdefault(depths[-1], []).append(index)
    return [layers[depth] for depth in sorted(layers)]
